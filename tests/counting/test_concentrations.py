"""Known concentrations in samples.csv: what is read, and every way to get it wrong in one sentence."""

import pytest

from mirnb.counting.concentrations import read_concentrations
from mirnb.counting.samples import read_samples
from mirnb.files import InputError

HEADER = "stack,sample,role,replicate,concentration,unit,added_to"


def _read(tmp_path, *rows, header=HEADER):
    path = tmp_path / "samples.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_concentrations(read_samples(path), path, ["red", "green"])


def test_standards_and_spikes_have_a_concentration_of_each_mir(tmp_path):
    found = _read(
        tmp_path, "a.tif,s1,standard,1,10,pM,", "b.tif,p,sample,1,,,", "c.tif,x,spike,1,5,pM,p", "d.tif,e,blank,1,0,,"
    )
    assert found == {"a.tif": ((10.0, 10.0), "pM", ""), "c.tif": ((5.0, 5.0), "pM", "p")}


def test_a_mir_may_have_its_own_column_with_0_where_it_is_not_in_the_sample(tmp_path):
    header = "stack,sample,role,replicate,concentration,concentration_Green,unit"
    found = _read(tmp_path, "a.tif,s1,standard,1,10,0,pM", "b.tif,s2,standard,1,10,,pM", header=header)
    assert [one[0] for one in found.values()] == [(10.0, 0.0), (10.0, 10.0)]


def test_a_decimal_comma_is_read_and_an_ambiguous_one_refused(tmp_path):
    header = HEADER.replace(",", ";")
    assert _read(tmp_path, "a.tif;s1;standard;1;0,25;pM;", header=header)["a.tif"][0] == (0.25, 0.25)
    with pytest.raises(InputError, match=r"line 2: concentration 1,000 may be 1000 or 1.000; write it without a comma"):
        _read(tmp_path, "a.tif;s1;standard;1;1,000;pM;", header=header)


def test_samples_without_these_columns_are_read_as_ever(tmp_path):
    assert _read(tmp_path, "a.tif,s1,sample,1", header="stack,sample,role,replicate") == {}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a.tif,s1,standard,1,ten,pM,"], r"line 2: concentration must be a number, .* column unit; got 'ten'"),
        (["a.tif,s1,standard,1,10 pM,,"], r"line 2: concentration must be a number, .* got '10 pM'"),
        (["a.tif,s1,standard,1,-1,pM,"], r"line 2: concentration of red must be a number from 0 on, got -1"),
        (["a.tif,s1,standard,1,nan,pM,"], r"line 2: concentration of red must be a number from 0 on, got nan"),
        (["a.tif,s1,standard,1,0,pM,"], r"line 2: concentration must be above 0, got 0; what has no miR is a blank"),
        (["a.tif,s1,standard,1,,,"], r"line 2: 's1' is a standard, its concentration is empty"),
        (["a.tif,p,sample,1,5,pM,"], r"line 2: 'p' is a sample and has a concentration \(5\); .* a standard .* or a spike"),
        (["a.tif,e,blank,1,5,pM,"], r"line 2: 'e' is a blank and has a concentration"),
        (["a.tif,s1,standard,1,1,pM,", "b.tif,s2,standard,1,2,,"], r"line 3: .* 's2' has no unit, others are in pM"),
        (["a.tif,s1,standard,1,1,pM,", "b.tif,s2,standard,1,2,nM,"], r"has the unit \wM, others are in \wM; give all"),
        (["a.tif,s1,standard,1,1,pM,", "b.tif,s1,standard,2,2,pM,"], r"line 3: .*'s1' differ from those in line 2"),
        (["a.tif,x,spike,1,1,pM,nobody", "b.tif,p,sample,1,,,"], r"line 2: added_to 'nobody': .* \(p\)"),
        (["a.tif,p,sample,1,,,q"], r"line 2: added_to is for spikes, 'p' is a sample"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path, rows, said):
    with pytest.raises(InputError, match=said):
        _read(tmp_path, *rows)


def test_a_column_of_another_mir_is_named(tmp_path):
    with pytest.raises(InputError, match=r"column concentration_blue: the miRs of the classifier are red, green"):
        _read(tmp_path, "a.tif,s1,standard,1,10,pM", header="stack,sample,role,replicate,concentration_blue,unit")
