"""``hetnet sign``: sign models, so that inspectors with the public key take these and no others."""

from __future__ import annotations

import argparse
from pathlib import Path

from hetnet_ros.errors import InputError

SUMMARY = "sign models, so that inspectors with the public key take no others"

EPILOG = """\
once, on the machine where models are made:    hetnet sign --new-key line3.key        writes line3.key and line3.key.pub
for each model:                                hetnet sign part.safetensors --key line3.key
on the robot:                                  hetnet run inspector --ros-args -p model:=part.safetensors -p public_key:=line3.key.pub

The signature is written beside the model, as part.safetensors.sig, and travels with it.  An exported model is signed by itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", metavar="MODEL", type=Path, nargs="*", help="model file, or exported model (.onnx, .xml)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--key", metavar="FILE", type=Path, help="private key to sign with")
    what.add_argument("--new-key", metavar="FILE", type=Path, help="make a key: FILE is the private one, FILE.pub the public one")
    what.add_argument("--check", metavar="FILE.pub", type=Path, help="check the models' signatures against this public key")


def run(args: argparse.Namespace) -> int:
    from hetnet_ros.inspection import signature

    if args.new_key is not None:
        if args.models:
            raise InputError("--new-key makes a key and signs nothing: give no models, then sign them with --key")
        public = signature.make_keys(args.new_key)
        print(f"{args.new_key}: private key; keep it where models are made, and nowhere else\n{public}: public key, for the robots")
        return 0
    if not args.models:
        raise InputError("no models are given; see 'hetnet sign --help'")
    if args.check is not None:
        keys = signature.PublicKeys.read(args.check)
        for model in args.models:
            keys.check(model, _digest(model))
            print(f"{model}: signed")
        return 0
    key = signature.read_private_key(args.key)
    digests = [_digest(model) for model in args.models]  # all are read before one is signed
    for model in args.models:
        signature.check_signature_place(signature.signature_file(model))
    for model, digest in zip(args.models, digests):
        print(f"{signature.sign(model, digest, key)}: signature of model {digest[:16]}")
    return 0


def _digest(model: Path) -> str:
    from hetnet_ros.inspection.artifact import load_artifact
    from hetnet_ros.inspection.exported import is_exported, open_exported

    return open_exported(model).description.digest if is_exported(model) else load_artifact(model).digest
