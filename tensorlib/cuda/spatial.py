"""What convolution and pooling share: options of 1 to 3 spatial dims, filled up to three."""
LIMIT = 0x7fffffff              # of options, and of the elements of a plane


def three(name, option, given, spatial, least, missing):
    """One number of each spatial dim, after the number that stands for each dim that is not there."""
    values = tuple(given)
    if len(values) != spatial:
        raise ValueError("%s(): expected %s with %d numbers, got %s" % (name, option, spatial, values))
    if not all(least <= v <= LIMIT for v in values):
        raise RuntimeError("%s(): %s must be %d to %d, got %s" % (name, option, least, LIMIT, values))
    return (missing,) * (3 - spatial) + values


def full_size(name, size, dims):
    """A tuple of exactly `dims` sizes."""
    size = tuple(size)
    if len(size) != dims:
        raise RuntimeError("%s(): expected a size of %d numbers, got %s" % (name, dims, size))
    if min(size) < 1:
        raise RuntimeError("%s(): sizes must be at least 1, got %s" % (name, size))
    return size


def check_plane(name, *planes):
    """Kernels count within a plane in 32 bits."""
    if max(planes) > LIMIT:
        raise RuntimeError("%s(): a plane of %d elements, expected at most %d" % (name, max(planes), LIMIT))


def text(size):
    return " x ".join(map(str, size))
