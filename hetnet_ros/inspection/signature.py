"""Signatures of models: who made a model, and that it is the one they made (Ed25519, RFC 8032).

A model's digest guards against accidents only: whoever can write the file can write a new digest.  A signature needs the private key, which
stays where models are made; inspectors hold the public one.  What is signed is the digest of the model in memory, over its card and every
number, so a file that is exchanged between check and use gains nothing.  The signature lies beside the model in a file of its own.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hetnet_ros import plain_json
from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.user_files import read_bytes, reason
from hetnet_ros.whole_files import write_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = "hetnet-signature-1"
SUFFIX = ".sig"
KEY_LIMIT = SIGNATURE_LIMIT = 64 * 1024
"""Largest file of keys and of a signature, bytes."""
_MARK = b"-----BEGIN PUBLIC KEY-----"


def signature_file(model: Path) -> Path:
    """Where the signature of ``model`` lies: beside it, with ``.sig`` behind the whole name."""
    return model.parent / (model.name + SUFFIX)  # with_name raises for an empty one


def make_keys(private: Path) -> Path:
    """Write a new private key (PKCS 8, PEM, for its owner's eyes only) and beside it, as ``.pub``, the public one; returns that.

    Raises InputError where a file of either name is there already or cannot be written.
    """
    ed25519, serialization = _library()
    key, public = ed25519.Ed25519PrivateKey.generate(), private.parent / f"{private.name}.pub"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    shared = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for path in (private, public):
        if os.path.lexists(path):
            raise InputError(f"{shown(path)} is there already: a key that signed models is not replaced; choose another name")
    made: list[Path] = []
    try:
        for path, data, mode in ((private, secret, 0o600), (public, shared, 0o644)):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            made.append(path)
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
    except BaseException as error:  # half a key, or one without the other, would only be in the way
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"cannot write {shown(path)} ({reason(error)}): choose another place") from None
        raise
    return public


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """An Ed25519 private key in PEM without a passphrase.  Raises InputError for anything else."""
    ed25519, serialization = _library()
    try:
        key = serialization.load_pem_private_key(read_bytes(path, "private key", KEY_LIMIT), None)
    except TypeError:
        raise InputError(f"private key {shown(path)} has a passphrase, which is not asked for here: give one without, on a machine "
                         "that only its owner reaches") from None
    except Exception as error:  # noqa: BLE001 - the library raises several kinds for text that is no key
        if isinstance(error, InputError):
            raise
        raise InputError(f"private key {shown(path)} is not a key in PEM: make one with hetnet sign --new-key FILE") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InputError(f"private key {shown(path)} is not of the kind Ed25519: make one with hetnet sign --new-key FILE")
    return key


@dataclass(frozen=True, eq=False)
class PublicKeys:
    """Keys of those whose models are taken; several, so that a key can be replaced while models of both are in use."""

    path: Path
    keys: tuple[Ed25519PublicKey, ...]

    @classmethod
    def read(cls, path: str | Path) -> PublicKeys:
        """One or more Ed25519 public keys in PEM, one after another.  Raises InputError for anything else."""
        ed25519, serialization = _library()
        blocks = read_bytes(path, "public key", KEY_LIMIT).split(_MARK)
        try:
            keys = tuple(serialization.load_pem_public_key(_MARK + block) for block in blocks[1:])
        except Exception:  # noqa: BLE001 - as above
            keys = ()
        if not keys or blocks[0].strip() or not all(isinstance(key, ed25519.Ed25519PublicKey) for key in keys):
            hint = "; it is the private one, which belongs on no robot" if b"PRIVATE KEY" in blocks[0] else ""
            raise InputError(f"public key {shown(path)} is not one or more Ed25519 public keys in PEM{hint}: give the .pub of hetnet "
                             "sign --new-key")
        return cls(Path(path), keys)

    def check(self, model: Path, digest: str) -> None:
        """Raise InputError unless the model of this ``digest``, read from ``model``, is signed by one of the keys."""
        path = signature_file(model)
        if not os.path.lexists(path):
            raise InputError(f"model {shown(model)} is not signed (there is no {shown(path.name)}), and this inspector takes only "
                             "signed ones: hetnet sign it where the private key is, and copy both files")
        try:
            values = plain_json.parse(read_bytes(path, "signature", SIGNATURE_LIMIT).decode())
            if values["format"] != FORMAT:
                raise ValueError("format")
            signature = base64.b64decode(values["signature"], validate=True)
        except InputError:
            raise
        except (ValueError, KeyError, TypeError):
            raise InputError(f"signature {shown(path)} is not a file of hetnet sign: sign the model again") from None
        if not any(_verifies(key, signature, digest) for key in self.keys):
            raise InputError(f"signature {shown(path)} does not belong to model {shown(model)} and a key of {shown(self.path)}: the model "
                             "was changed, or signed by somebody else")


def sign(model: Path, digest: str, key: Ed25519PrivateKey) -> Path:
    """Write the signature of the model of this ``digest`` beside ``model``; returns its path.

    Raises InputError where it cannot be written, or what lies there is no signature of hetnet's (GnuPG calls its own the same)."""
    signature = base64.b64encode(key.sign(_message(digest))).decode()
    text = json.dumps({"format": FORMAT, "model": digest[:16], "signature": signature}, indent=1) + "\n"
    path = signature_file(model)
    check_signature_place(path)
    write_file(path, text)
    return path


def check_signature_place(path: Path) -> None:
    """Raise InputError where ``path`` is taken by anything but a signature that hetnet wrote."""
    if os.path.lexists(path) and not _is_signature(path):
        raise InputError(f"{shown(path)} is there already and is no signature of hetnet sign, which would keep its own under that name: "
                         "move it")


def _is_signature(path: Path) -> bool:
    try:
        return plain_json.parse(read_bytes(path, "signature", SIGNATURE_LIMIT).decode())["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        return False


def _message(digest: str) -> bytes:
    """What is signed.  The format stands before it, so that no signature made for another purpose serves here."""
    return f"{FORMAT}|{digest}".encode()


def _verifies(key: Ed25519PublicKey, signature: bytes, digest: str) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, _message(digest))
    except InvalidSignature:
        return False
    return True


def _library():  # noqa: ANN202 - two modules of an optional library
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise InputError(f"signatures need the package cryptography, which does not import here ({error}): pip install "
                         "cryptography") from None
    return ed25519, serialization
