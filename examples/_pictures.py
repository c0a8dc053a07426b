"""Draws the two pictures of digits.py with Pillow alone: a loss curve, and a grid of images with predictions."""
from PIL import Image, ImageDraw, ImageFont

BLUE, RED, GREY, BLACK = (31, 119, 180), (200, 30, 30), (160, 160, 160), (0, 0, 0)


def font(size):
    try:
        return ImageFont.load_default(size)
    except TypeError:           # Pillow before 10.1 has one size only
        return ImageFont.load_default()


def loss_curve(losses, path, width=720, height=420):
    """Draw the loss of each step, faint, and its running mean, strong."""
    left, right, top, bottom = 70, 20, 40, 50
    highest = max(losses)
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)

    def point(step, loss):
        x = left + (width - left - right) * step / max(1, len(losses) - 1)
        return x, height - bottom - (height - top - bottom) * loss / highest

    for i in range(5):
        loss = highest * i / 4
        x, y = point(0, loss)
        draw.line([(x, y), (width - right, y)], fill=(225, 225, 225))
        draw.text((left - 8, y), "%.2f" % loss, fill=BLACK, font=font(13), anchor="rm")
        step = (len(losses) - 1) * i // 4
        draw.text((point(step, 0)[0], height - bottom + 8), str(step), fill=BLACK, font=font(13), anchor="ma")
    draw.line([point(i, loss) for i, loss in enumerate(losses)], fill=(175, 205, 230))
    draw.line([point(i, loss) for i, loss in enumerate(running_mean(losses))], fill=BLUE, width=3)
    draw.text((left, 12), "Training loss (faint: each step, strong: running mean)", fill=BLACK, font=font(16))
    draw.text((width // 2, height - 12), "step", fill=BLACK, font=font(14), anchor="ms")
    image.save(path)


def running_mean(values, keep=0.95):
    mean, means = values[0], []
    for value in values:
        mean = keep * mean + (1 - keep) * value
        means.append(mean)
    return means


def prediction_grid(images, predicted, truth, names, path, columns=10, tile=72):
    """Draw images (n x h x w, 0 to 1) with what the network says below; mistakes in red with the truth."""
    rows = -(-len(predicted) // columns)
    caption = 20
    page = Image.new("RGB", (columns * (tile + 8) + 8, rows * (tile + caption + 8) + 8), "white")
    draw = ImageDraw.Draw(page)
    for i, (p, t) in enumerate(zip(predicted, truth)):
        x, y = 8 + i % columns * (tile + 8), 8 + i // columns * (tile + caption + 8)
        ink = 255 - (images[i] * 255).clamp(0, 255).byte().numpy()
        page.paste(Image.fromarray(ink).resize((tile, tile), Image.NEAREST), (x, y))
        draw.rectangle([x, y, x + tile - 1, y + tile - 1], outline=GREY if p == t else RED)
        text = names[p] if p == t else "%s, not %s" % (names[p], names[t])
        draw.text((x + tile // 2, y + tile + 2), text, fill=BLACK if p == t else RED, font=font(13), anchor="ma")
    page.save(path)
