"""``hetnet cell`` writes a data set, and says in one line what is wrong where it cannot."""

import re

import pytest

from hetnet_ros.cli.main import main

SMALL = [
    "--faces",
    "up",
    "--conditions",
    "mid",
    "--size",
    "96x72",
    "--train",
    "2",
    "--good",
    "1",
    "--defects",
    "1",
    "--kinds",
    "stain",
]


def test_it_writes_what_it_says(tmp_path, capsys):
    assert main(["cell", str(tmp_path / "data"), *SMALL]) == 0
    files = sorted(
        path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").rglob("*") if path.is_file()
    )
    assert files == [
        "ground_truth/stain/up_mid_96_0003_mask.png",
        "parts.csv",
        "test/good/up_mid_96_0002.png",
        "test/stain/up_mid_96_0003.png",
        "train/good/up_mid_96_0000.png",
        "train/good/up_mid_96_0001.png",
    ]
    assert "4 images of 1 face in 1 condition" in capsys.readouterr().out


def test_it_does_not_overwrite_unless_told_to(tmp_path, capsys):
    folder = tmp_path / "data"
    assert main(["cell", str(folder), *SMALL]) == 0
    before = (folder / "train/good/up_mid_96_0000.png").read_bytes()
    capsys.readouterr()
    assert main(["cell", str(folder), *SMALL, "--seed", "1"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "train/good/up_mid_96_0000.png").read_bytes() == before
    assert main(["cell", str(folder), *SMALL, "--seed", "1", "--force"]) == 0
    assert (folder / "train/good/up_mid_96_0000.png").read_bytes() != before


def test_force_never_deletes_what_is_not_ours(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["cell", str(tmp_path), *SMALL, "--force"]) == 2
    assert "thesis.txt" in capsys.readouterr().err and (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--faces", "nose"], "'nose' is unknown"),
        (["--conditions", "dusk"], "'dusk' is unknown"),
        (["--size", "640"], "--size"),
        (["--size", "8x8"], "--size"),
        (["--train", "-1"], "--train is -1"),
        (["--kinds", "rust"], "'rust' is unknown"),
        (["--train", "0", "--good", "0", "--defects", "0"], "nothing to write"),
        (["--jitter", "9"], "--jitter is 9"),
        (["--defect-scale", "0"], "--defect-scale is 0"),
        (["--seed", "-3"], "--seed is -3"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, capsys, flags, words):
    assert main(["cell", str(tmp_path / "data"), *flags]) == 2
    said = capsys.readouterr()
    assert said.out == "" and re.fullmatch(r"hetnet: error: [^\n]+\n", said.err) and words in said.err
    assert not (tmp_path / "data").exists()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["cell", str(tmp_path / "file"), *SMALL]) == 2
    assert main(["cell", str(tmp_path / "file" / "data"), *SMALL]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
