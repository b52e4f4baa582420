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
        ".hetnet-files",
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


def test_force_replaces_a_set_file_by_file_and_only_files_that_are_its_own(tmp_path, capsys):
    folder = tmp_path / "data"
    assert main(["cell", str(folder), *SMALL]) == 0
    for name in ("train/good/my_part.png", "parts.csv"):  # one was added, one was edited
        (folder / name).write_text("mine")
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert main(["cell", str(folder), *SMALL, "--seed", "1", "--force"]) == 2
        assert repr(name) in capsys.readouterr().err
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        (folder / name).unlink()
    assert not (folder / "parts.csv").exists(), "as after a run that was interrupted"
    assert main(["cell", str(folder), *SMALL, "--seed", "1", "--force"]) == 0


def test_a_users_own_set_in_the_same_layout_is_never_deleted(tmp_path, capsys):
    for name in ("train/good/a.png", "test/good/b.png", "parts.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("years of work")
    assert main(["cell", str(tmp_path), *SMALL, "--force"]) == 2
    assert "did not write" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.png", "b.png", "parts.csv"]


BAG = ["--good", "1", "--defects", "1", "--frames", "1", "--size", "96x72"]


@pytest.mark.parametrize("name", ["demo.mcap", "demo"])
def test_a_recording_is_replaced_only_when_told_to_and_as_a_whole(tmp_path, capsys, name):
    bag = tmp_path / name
    assert main(["cell", "--bag", str(bag), *BAG]) == 0
    before = (tmp_path / "demo.labels.json").read_bytes()
    assert main(["cell", "--bag", str(bag), *BAG, "--seed", "1"]) == 2
    assert main(["cell", "--bag", str(bag), *BAG, "--seed", "1", "--force"]) == 0
    assert (tmp_path / "demo.labels.json").exists() and bag.exists() and before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".demo")], "nothing is left behind"


def test_a_recording_behind_a_link_is_replaced_there_and_stays_private(tmp_path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "a.mcap", tmp_path / "demo.mcap"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    assert main(["cell", "--bag", str(link), *BAG, "--force"]) == 0
    assert link.is_symlink() and target.stat().st_size > 1000 and target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["demo.mcap", "demo"])
@pytest.mark.parametrize("mine", ["demo.labels.json", "demo_masks/000000.png", "demo_masks/hand.png"])
def test_force_never_replaces_labels_and_masks_made_by_hand(tmp_path, capsys, name, mine):
    bag = tmp_path / name
    assert main(["cell", "--bag", str(bag), *BAG]) == 0
    recorded = bag.read_bytes() if bag.is_file() else sorted(path.read_bytes() for path in bag.iterdir())
    (tmp_path / mine).write_text("a day of labelling")
    assert main(["cell", "--bag", str(bag), *BAG, "--force"]) == 2
    assert mine in capsys.readouterr().err and (tmp_path / mine).read_text() == "a day of labelling"
    assert (bag.read_bytes() if bag.is_file() else sorted(path.read_bytes() for path in bag.iterdir())) == recorded


def test_force_never_deletes_the_folder_of_a_recording_made_elsewhere(tmp_path, capsys):
    bag = tmp_path / "cell_monday"
    bag.mkdir()
    (bag / "metadata.yaml").write_text("rosbag2_bagfile_information: {relative_file_paths: [cell_monday_0.mcap]}")
    (bag / "cell_monday_0.mcap").write_bytes(b"a recording")
    assert main(["cell", "--bag", str(bag), *BAG, "--force"]) == 2
    assert "did not write" in capsys.readouterr().err and (bag / "cell_monday_0.mcap").read_bytes() == b"a recording"


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
