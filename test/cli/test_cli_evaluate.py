"""``hetnet evaluate`` from the command line to its files."""

from __future__ import annotations

import json

import numpy as np

from hetnet_ros.cli.main import main


def test_evaluate_prints_a_table_and_writes_json_report_and_maps(tiny_model, tiny_data, tmp_path, capsys):
    files = {
        "--json": tmp_path / "a" / "out.json",
        "--report": tmp_path / "b" / "out.html",
        "--maps": tmp_path / "maps",
    }
    options = [str(part) for pair in files.items() for part in pair]
    assert main(["evaluate", str(tiny_model), str(tiny_data), "--device", "cpu", *options]) == 0
    out, err = capsys.readouterr()
    assert "I-AUROC" in out and "cross" in out and str(files["--json"]) in out
    assert "Traceback" not in err
    document = json.loads(files["--json"].read_text())
    assert {"image_auroc", "pixel_auroc", "aupro", "types", "counts", "seconds"} <= set(document)
    assert f"{100 * document['aupro']:.2f}" in out
    assert "<html" in files["--report"].read_text()
    assert np.load(files["--maps"] / "cross" / "000.npy").shape == (96, 128)
    assert len(list(files["--maps"].rglob("*.npy"))) == 12


def test_a_condition_pattern_adds_a_table(tiny_model, tiny_data, tmp_path, capsys):
    out_file = tmp_path / "out.json"
    pattern = "00(?P<half>[0-5])"
    argv = ["evaluate", tiny_model, tiny_data, "--device", "cpu", "--json", out_file, "--condition-pattern", pattern]
    assert main([str(part) for part in argv]) == 0
    out, _ = capsys.readouterr()
    rows = [line.split() for line in out.splitlines() if line.startswith("half ")]
    assert [row[1:5] for row in rows[:-1]] == [[str(value), "2", "1", "1"] for value in range(6)]
    assert rows[-1][:2] == ["half", "mean"] and "all images pooled" in out
    assert [row["value"] for row in json.loads(out_file.read_text())["conditions"]] == list("012345")


def refused(capsys, argv) -> str:
    assert main([str(part) for part in argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("hetnet: error: ") and err.count("\n") == 1
    return err


def test_bad_input_is_refused_in_one_line(tiny_model, tiny_data, tmp_path, capsys):
    assert "no such data set" in refused(capsys, ["evaluate", tiny_model, tmp_path / "absent"])
    assert "no labelled data set" in refused(capsys, ["evaluate", tiny_model, tmp_path])
    assert "absent.safetensors" in refused(capsys, ["evaluate", tmp_path / "absent.safetensors", tiny_data])
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"junk")
    assert "junk.safetensors" in refused(capsys, ["evaluate", junk, tiny_data])
    flags = ["--conditions", tmp_path / "absent.csv"]
    assert "absent.csv does not exist" in refused(capsys, ["evaluate", tiny_model, tiny_data, *flags])
    both = [*flags, "--condition-pattern", "x"]
    assert "not allowed with" in refused(capsys, ["evaluate", tiny_model, tiny_data, *both])
    assert "names no axis" in refused(capsys, ["evaluate", tiny_model, tiny_data, "--condition-pattern", "exp[0-9]"])
    assert "device" in refused(capsys, ["evaluate", tiny_model, tiny_data, "--device", "gpu"])


def test_outputs_that_cannot_be_written_are_refused_before_the_model_is_read(tiny_data, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    never_read = tmp_path / "absent.safetensors"
    for flag, place in (
        ("--json", tmp_path),
        ("--report", tmp_path / "file" / "x.html"),
        ("--maps", tmp_path / "file"),
    ):
        assert "cannot write" in refused(capsys, ["evaluate", never_read, tiny_data, flag, place])
