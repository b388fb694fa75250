"""Generate what `library-client/` has of the contract: its stubs, and an exception for each reason of an error.

The package depends on grpcio and protobuf alone. So its stubs are made from descriptors without custom options and
without the imports that only carry these: google/api and buf/validate. The files of google/type/, which fields have as
their types, go into modules of their own, which prefer those of googleapis-common-protos where this is installed: a
process can load a file of such a name once.
"""

from __future__ import annotations

import importlib.resources
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import grpc_tools
from google.protobuf import descriptor_pb2
from google.protobuf.message import Message

CLIENT = Path(__file__).resolve().parents[1] / "library-client"
PACKAGE = "library_client"
STATUS = f"{PACKAGE}/status.proto"
"""What the client reads of an error, in messages of its own."""
COMMON = ("google/type/", "google/rpc/status.proto", "google/api/httpbody.proto", "google/longrunning/")
"""Types of fields, and a service, that are defined outside the contract."""
INTERNAL = "library/sync/"
"""The calls between the two services are not for clients."""
REASONS = "library/v1/error_reason.proto"
REASON_PREFIX = "ERROR_REASON_"

Protoc = Callable[[list[str]], None]
"""Calls protoc with arguments; ends the program where it fails."""


def generate_client(image: Path, target: Path, protoc: Protoc) -> None:
    """Generate all that is generated in `library-client/` into `target`, whose folders are those of `library-client/`.

    Args:
        image: The contract as a FileDescriptorSet, with all that it imports and its comments.
        target: A folder, made where it is not there.
        protoc: What calls protoc.
    """
    contract = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    stubs, package = target / "stubs", target / PACKAGE
    for folder in (stubs, package):
        folder.mkdir(parents=True)
    stripped = image.with_suffix(".stripped.binpb")
    stripped.write_bytes(without_options(contract).SerializeToString())
    names = [file.name for file in contract.file if is_for_clients(file.name)]
    messages = [f"--python_out={stubs}", f"--mypy_out=quiet:{stubs}"]
    services = [f"--grpc_python_out={stubs}", f"--mypy_grpc_out=quiet:{stubs}"]
    protoc([f"--descriptor_set_in={stripped}", *messages, *services, *names])
    common = [file for file in contract.file if file.name.startswith(COMMON)]
    protoc([f"--descriptor_set_in={stripped}", *messages, *(file.name for file in common)])
    protoc([f"--descriptor_set_in={stripped}", *services, *(file.name for file in common if file.service)])
    move_common_stubs(stubs, [file.name for file in common])
    (stubs / "library" / "py.typed").touch()
    well_known = importlib.resources.files(grpc_tools) / "_proto"
    own = [f"--python_out={target}", f"--mypy_out=quiet:{target}"]
    protoc([f"--proto_path={CLIENT}", f"--proto_path={well_known}", *own, STATUS])
    (package / "errors.py").write_text(errors_module(next(file for file in contract.file if file.name == REASONS)))


def is_for_clients(name: str) -> bool:
    """Whether a file is part of the contract with clients."""
    return name.startswith("library/") and not name.startswith(INTERNAL)


def without_options(contract: descriptor_pb2.FileDescriptorSet) -> descriptor_pb2.FileDescriptorSet:
    """Return the files for clients, and those that define types of their fields, without custom options."""
    kept = descriptor_pb2.FileDescriptorSet()
    needed = ("google/protobuf/", *COMMON)
    for file in contract.file:
        if is_for_clients(file.name) or file.name.startswith(needed):
            kept.file.append(file)
    for file in kept.file:
        imported = [name for name in file.dependency if is_for_clients(name) or name.startswith(needed)]
        del file.dependency[:]
        file.dependency.extend(imported)
        # To this program the custom options are unknown fields, as it imports nothing that defines them.
        file.DiscardUnknownFields()
        drop_defaults(file)
    return kept


def drop_defaults(described: Message) -> None:
    """Remove empty options and the JSON names that protoc generates, recursively."""
    for field, value in described.ListFields():
        if field.name == "options" and not value.ListFields():
            described.ClearField("options")
        elif field.name == "json_name":
            described.ClearField("json_name")
        elif field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                drop_defaults(inner)


def move_common_stubs(stubs: Path, names: Iterable[str]) -> None:
    """Move the stubs of each `google/FOLDER/NAME.proto` to `library/NAME_pb2.py`, and let the others import that."""
    packages = {str(Path(name).parent).replace("/", ".") for name in names}
    for name in names:
        path = Path(name)
        module = f"{path.stem}_pb2"
        package = str(path.parent).replace("/", ".")
        shutil.move(stubs / path.parent / f"{module}.pyi", stubs / "library" / f"{module}.pyi")
        own = stubs / "library" / f"_{module}.py"
        shutil.move(stubs / path.parent / f"{module}.py", own)
        own.write_text(own.read_text().replace(f"'{package}.{module}'", f"'library._{module}'"))
        (stubs / "library" / f"{module}.py").write_text(COMMON_MODULE.format(name=name, package=package, module=module))
        for stub in (f"{module}_grpc.py", f"{module}_grpc.pyi"):
            if (stubs / path.parent / stub).exists():
                shutil.move(stubs / path.parent / stub, stubs / "library" / stub)
    shutil.rmtree(stubs / "google")
    imports = re.compile(rf"from (?:{'|'.join(map(re.escape, sorted(packages)))}) import")
    for file in (*stubs.rglob("*_pb2*.py"), *stubs.rglob("*_pb2*.pyi")):
        code = file.read_text()
        file.write_text(imports.sub("from library import", code))


COMMON_MODULE = '''"""`{name}`: of googleapis-common-protos if that is installed, or from here.

A process can load one file of this name only.
"""

try:
    from {package}.{module} import *
except ModuleNotFoundError:
    from library._{module} import *
'''


def errors_module(file: descriptor_pb2.FileDescriptorProto) -> str:
    """Write the module with an exception for each reason."""
    reasons = list(reasons_of(file))
    names = [class_name(reason) for reason, _ in reasons]
    exported = "".join(f'    "{name}",\n' for name in sorted([*names, "BY_REASON", "FieldViolation", "LibraryError"]))
    classes = "".join(
        CLASS.format(name=class_name(reason), doc=docstring(text), reason=reason) for reason, text in reasons
    )
    rows = "".join(f'    "{reason}": {class_name(reason)},\n' for reason, _ in reasons)
    return ERRORS_MODULE.format(exported=exported, classes=classes, rows=rows)


def reasons_of(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield each reason, without its prefix, with its comment."""
    (place,) = (place for place, enum in enumerate(file.enum_type) if enum.name == "ErrorReason")
    comments = {tuple(each.path): each.leading_comments for each in file.source_code_info.location}
    for index, value in enumerate(file.enum_type[place].value):
        if value.number:
            yield value.name.removeprefix(REASON_PREFIX), comments[5, place, 2, index]


def class_name(reason: str) -> str:
    """`NO_COPY_AVAILABLE` becomes `NoCopyAvailable`."""
    return reason.title().replace("_", "")


def docstring(comment: str) -> str:
    """Write a comment as the docstring of a class: its first sentence, and the rest below."""
    words = " ".join(comment.split())
    status, _, words = words.partition(". ")
    first, *rest = re.split(r"(?<=[.]) ", words, maxsplit=1)
    paragraphs: Iterable[str] = (f"{first}", *rest, f"Status: {status}.")
    wrapped = [textwrap.fill(each, 116, break_long_words=False, break_on_hyphens=False) for each in paragraphs]
    return textwrap.indent("\n\n".join(wrapped), "    ").strip()


CLASS = '''

class {name}(LibraryError):
    """{doc}
    """

    reason = "{reason}"
'''

ERRORS_MODULE = '''"""An exception for each reason of `library.v1.ErrorReason`.

Made by `make generate` from the contract: do not edit it. All of them are a `LibraryError`, which is what is raised for
errors without a reason, such as an unreachable server, and for reasons that are newer than this package.
"""

from __future__ import annotations

from library_client.library_error import FieldViolation, LibraryError

__all__ = [
{exported}]
{classes}

BY_REASON: dict[str, type[LibraryError]] = {{
{rows}}}
"""The exception of each reason."""
'''
