"""The text of tensors where the recorded cases do not reach: other options, blocks of columns, scales."""
import pytest

import tensorlib


@pytest.fixture
def options():
    """set_printoptions, undone after the test."""
    yield tensorlib.set_printoptions
    tensorlib.set_printoptions(profile="default")


def lines(x):
    return str(x).split("\n")


FRACTIONS = tensorlib.arange(0, 24).view(2, 12) / 7


def test_widths_are_those_of_four_digits_whatever_the_precision(options):
    options(precision=2)
    assert lines(FRACTIONS)[1:4] == [
        "", "Columns 0 to 9 ",
        "   0.00    0.14    0.29    0.43    0.57    0.71    0.86    1.00    1.14    1.29"]
    assert lines(tensorlib.FloatTensor([1234, 1]))[1:3] == ["   1.23e+03", "   1.00e+00"]
    assert lines(tensorlib.FloatTensor([0.0001, 10]))[1:3] == [" 1.00e-04", " 1.00e+01"]
    options(precision=0)
    square = lines(tensorlib.arange(0, 49).view(7, 7))
    assert square[1] == " ".join(["%11.0e" % v for v in range(7)]) and len(square) == 10
    options(precision=8)
    assert lines(tensorlib.DoubleTensor([0.5]))[1] == "0.50000000"


def test_profiles(options):
    options(profile="short")
    assert lines(tensorlib.FloatTensor([0.5]))[1] == "   0.50"
    assert "..." in str(tensorlib.zeros(5, 300)) and str(tensorlib.zeros(5, 300)).count("  0") == 4 * 4
    options(profile="full")
    assert "..." not in str(tensorlib.zeros(50, 30)) and lines(tensorlib.FloatTensor([0.5]))[1] == " 0.5000"
    with pytest.raises(ValueError, match="profile"):
        options(profile="long")


def test_threshold_edgeitems_linewidth(options):
    options(threshold=8, edgeitems=1, linewidth=20)
    assert lines(tensorlib.arange(0, 9))[1:4] == [" 0", "\u22ee ", " 8"]
    assert lines(tensorlib.arange(0, 8).view(2, 4))[1:3] == ["    0  ...      3", "    4  ...      7"]
    assert lines(tensorlib.arange(0, 6).view(1, 6))[1:5] == ["", "Columns 0 to 2 ", "    0     1     2", ""]


def test_a_last_single_column_is_named_like_the_others():
    text = lines(tensorlib.arange(0, 11).view(1, 11) / 8)
    assert text[1:3] == ["", "Columns 0 to 9 "] and text[4:7] == ["", "Columns 10 to 10 ", " 1.2500"]


def test_each_block_of_columns_tells_its_scale():
    text = lines(tensorlib.arange(1, 25).view(2, 12) * 1e-5)
    assert text[1:5] == ["", "Columns 0 to 9 ", "1.00000e-04 *",
                         "  0.1000  0.2000  0.3000  0.4000  0.5000  0.6000  0.7000  0.8000  0.9000  1.0000"]
    assert text[6:10] == ["", "Columns 10 to 11 ", "1.00000e-04 *", "  1.1000  1.2000"]


def test_each_matrix_tells_its_scale():
    assert str(tensorlib.arange(0, 8).view(2, 2, 2) * 1e-4) == (
        "\n(0 ,.,.) = \n1.00000e-04 *\n   0.0000  1.0000\n   2.0000  3.0000\n\n"
        "(1 ,.,.) = \n1.00000e-04 *\n   4.0000  5.0000\n   6.0000  7.0000\n[tensorlib.FloatTensor of size 2x2x2]\n")


def test_short_vectors_of_many_elements():
    assert lines(tensorlib.arange(1, 8))[1:8] == [" %d" % v for v in range(1, 8)]


@pytest.mark.parametrize("values, rows", [
    ([1e10, 3], [" 1.0000e+10", " 3.0000e+00"]), ([1e-8, 1.5], [" 1.0000e-08", " 1.5000e+00"]),
    ([1e-120, 1.0], [" 1.0000e-120", "  1.0000e+00"]), ([float("nan"), float("inf"), 1], ["nan", "inf", "  1"]),
    ([float("-inf"), 0.5], ["   -inf", " 0.5000"]), ([0.0001, 0.0002], ["1.00000e-04 *", "  1.0000", "  2.0000"]),
    ([123456.5, 99999.5], ["1.00000e+05 *", "  1.2346", "  1.0000"]), ([-0.0, 0.0], ["-0", " 0"]),
    ([99999], [" 99999"]), ([100000], [" 1.0000e+05"])])
def test_formats(values, rows):
    assert lines(tensorlib.DoubleTensor(values))[1:-2] == rows


def table(markup):
    """The cells of an HTML table, and its caption."""
    import re
    rows = [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", markup)]
    return rows, re.search("<caption>(.*?)</caption>", markup).group(1)


def test_notebooks_show_tables():
    rows, caption = table(tensorlib.DoubleTensor([[1, 2.5], [-3, float("nan")]])._repr_html_())
    assert rows == [["1.0000", "2.5000"], ["-3.0000", "nan"]]
    assert caption == "[tensorlib.DoubleTensor of size 2x2]"
    assert table(tensorlib.LongTensor([3, 4])._repr_html_())[0] == [["3"], ["4"]]
    assert table(tensorlib.arange(0, 12).view(3, 4).t()._repr_html_())[0][1] == ["1", "5", "9"]


def test_notebooks_show_the_edges_of_large_tensors():
    rows, caption = table(tensorlib.arange(0, 2000).view(20, 100)._repr_html_())
    assert rows[0] == ["0", "1", "2", "\u22ef", "97", "98", "99"] and rows[3] == ["\u22ee"] * 7
    assert len(rows) == 7 and rows[-1][-1] == "1999" and caption.endswith("of size 20x100]")
    assert len(table(tensorlib.arange(0, 5000)._repr_html_())[0]) == 7


def test_notebooks_show_other_tensors_as_text():
    for t in (tensorlib.zeros(2, 2, 2), tensorlib.FloatTensor()):
        assert t._repr_html_() == "<pre>%s</pre>" % t
    scaled = tensorlib.FloatTensor([1e-7, 2e-7])._repr_html_()
    assert scaled.startswith("<div>1.00000e-07 *\n<table>") and table(scaled)[0] == [["1.0000"], ["2.0000"]]


def test_notebooks_show_variables():
    from tensorlib.autograd import Variable
    from tensorlib.nn import Parameter
    assert Variable(tensorlib.ones(1, 2))._repr_html_().startswith("<div>Variable containing:<div><table>")
    assert Parameter(tensorlib.ones(1))._repr_html_().startswith("<div>Parameter containing:")
