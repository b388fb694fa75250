"""The protos are a module that buf builds without a network, and contract.binpb has everything that they import."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import google.rpc
import grpc_tools
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

from library_domain.contract import contract_descriptors

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
CONTRACT = ROOT / "generated" / "library" / "contract.binpb"
FILES = FileDescriptorSet.FromString(contract_descriptors()).file
WHEEL = Path(google.rpc.__path__[0]).parents[1]
VALIDATE = "buf/validate/validate.proto"
TOOLS = Path(sys.executable).parent

IN_THE_WHEEL = {Path("google/longrunning/operations.proto"): Path("google/longrunning/operations_proto.proto")}
"""Files that the wheel has under another name than the one in its descriptors, which the contract imports."""

MESSAGES = """
version: v2
plugins:
  - local: {plugin}
    out: {out}
    include_imports: true
    opt: quiet
"""


def buf(*arguments: str, scratch: Path) -> None:
    """Run buf at the root of the tree, with nothing cached and where no registry answers."""
    nowhere = {f"{scheme}_PROXY": "http://127.0.0.1:9" for scheme in ("HTTP", "HTTPS")}
    environment = {**os.environ, **nowhere, "NO_PROXY": "", "BUF_CACHE_DIR": str(scratch / "cache")}
    done = subprocess.run(
        [TOOLS / "buf", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), arguments


@pytest.mark.parametrize(
    "command",
    [["build"], ["lint"], ["format", "--diff", "--exit-code"], ["breaking", "--against", "protos/released.binpb"]],
    ids=lambda command: str(command[0]),
)
def test_buf_needs_no_network_and_no_options(command: list[str], tmp_path: Path) -> None:
    buf(*command, scratch=tmp_path)


@pytest.mark.parametrize("source", [".", "protos", "protos/library/v1/book.proto", str(CONTRACT.relative_to(ROOT))])
def test_buf_generates(source: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    template = MESSAGES.format(plugin=TOOLS / "protoc-gen-mypy", out=out)
    buf("generate", source, "--template", template, scratch=tmp_path)
    expected = {"library/v1/book_pb2.pyi", "google/api/field_behavior_pb2.pyi", "buf/validate/validate_pb2.pyi"}
    assert expected <= {str(path.relative_to(out)) for path in out.rglob("*.pyi")}


def test_the_default_template_generates(tmp_path: Path) -> None:
    """It is what `buf generate` uses at the root of the tree. It names the tools of .venv."""
    template = (ROOT / "buf.gen.yaml").read_text().replace(".venv/bin", str(TOOLS))
    buf("generate", ".", "--template", template, "--output", str(tmp_path), scratch=tmp_path)
    assert (tmp_path / "build/buf/library/frontend/v1/lending_service_pb2.py").exists()


def test_protoc_generates_from_the_folder_and_from_the_set(tmp_path: Path) -> None:
    well_known = Path(grpc_tools.__path__[0]) / "_proto"
    for name, source in (("folder", [f"-I{PROTOS}", f"-I{well_known}"]), ("set", [f"--descriptor_set_in={CONTRACT}"])):
        out = tmp_path / name
        out.mkdir()
        options = [f"--python_out={out}", f"--grpc_python_out={out}"]
        assert protoc.main(["protoc", *source, *options, "library/frontend/v1/lending_service.proto"]) == 0
        assert (out / "library/frontend/v1/lending_service_pb2_grpc.py").exists()


def test_the_set_is_complete_and_in_order() -> None:
    """Each file follows those that it imports, so a pool accepts them in this order."""
    pool = descriptor_pool.DescriptorPool()
    for file in FILES:
        pool.AddSerializedFile(file.SerializeToString())
        pool.FindFileByName(file.name)
    names = {file.name for file in FILES}
    contract = {str(path.relative_to(PROTOS)) for path in (PROTOS / "library").rglob("*.proto")}
    assert contract <= names
    assert {"google/rpc/error_details.proto", "google/rpc/status.proto"} <= names
    assert {file.name for file in FILES if file.HasField("source_code_info")} == contract


def test_the_copies_are_what_is_imported_and_no_more() -> None:
    copies = {str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto")}
    well_known = {file.name for file in FILES if file.name.startswith("google/protobuf/")}
    assert copies == {file.name for file in FILES} - well_known
    for folder in ("google", "buf"):
        assert "Apache License" in (PROTOS / folder / "LICENSE").read_text()


def test_the_copies_of_google_are_those_of_the_wheel(tmp_path: Path) -> None:
    """If googleapis-common-protos was upgraded: copy its files to protos/google, then `make generate`."""
    names = [path.relative_to(PROTOS) for path in (PROTOS / "google").rglob("*.proto")]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(WHEEL / IN_THE_WHEEL.get(name, name), tmp_path / name)
    subprocess.run([TOOLS / "buf", "format", "--write", tmp_path], cwd=tmp_path, check=True, timeout=100)
    for name in names:
        assert (PROTOS / name).read_text() == (tmp_path / name).read_text(), name


def test_the_copy_of_the_rules_is_what_the_validator_applies() -> None:
    """If protovalidate was upgraded: copy validate.proto from its source distribution, then `make generate`."""
    (copy,) = (file for file in FILES if file.name == VALIDATE)
    wheel = FileDescriptorProto.FromString(validate_pb._DESC.proto.to_binary())  # the wheel has no .proto
    # These name packages of other languages, and are set to others when that wheel is made.
    copy.ClearField("options")
    wheel.ClearField("options")
    assert copy == wheel
