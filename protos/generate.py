"""Generate the Python stubs and the commented descriptor set in `generated/` from the contract in `protos/`.

    python protos/generate.py            write generated/, and what library-client/ has of the contract
    python protos/generate.py --check    write nothing; fail if these are not generated from the present protos

Everything runs from installed wheels and from this folder: protoc comes from grpcio-tools, and `google/` and `buf/` are
copies of the protos that the contract imports. tests/unit/test_protos.py compares these with the wheels.
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.resources
import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools
from generate_client import generate_client
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
ROOT = PROTOS.parent
GENERATED = (ROOT / "generated", ROOT / "library-client" / "stubs")
"""The folders where everything is generated. There are also some generated files among others."""
COMMENTED = "google/longrunning/"
"""Copies that keep their comments, as clients call their services."""
# What errors carry. No file of the contract imports it, and clients that read errors need it.
DETAILS = ("google/rpc/error_details.proto", "google/rpc/status.proto")


def main() -> int:
    """Run the command line; the exit status is 1 where --check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "fresh"
        generate(fresh / "generated")
        image = Path(scratch) / "image.binpb"
        run_protoc([f"--descriptor_set_out={image}", "--include_imports", "--include_source_info"], contract_files())
        generate_client(image, fresh / "library-client", lambda options: call(["protoc", *plugins(), *options]))
        if arguments.check:
            return report(differences(fresh))
        for folder in GENERATED:
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(fresh, ROOT, dirs_exist_ok=True)
    return 0


def generate(target: Path) -> None:
    """Generate everything into `target`."""
    target.mkdir(parents=True)
    contract = contract_files()
    stubs = [f"--python_out={target}", f"--mypy_out=quiet:{target}"]
    services = [f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}"]
    run_protoc([*stubs, *services], contract)
    # Of the imports, only this one has no stubs in an installed wheel.
    run_protoc(stubs, ["buf/validate/validate.proto"])
    for package in ("library", "buf"):
        (target / package / "py.typed").touch()
    write_descriptors(target / "library" / "contract.binpb", contract)


def contract_files() -> list[str]:
    """The files of the contract, by their path in `protos/`."""
    return sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "library").rglob("*.proto"))


def write_descriptors(path: Path, contract: list[str]) -> None:
    """Write the contract with everything that it imports, so that a client can be generated from this file alone.

    Comments are kept in the files of the contract, and in those with services that the contract uses: Python's own
    descriptors drop them, and reflection serves these instead. The other imports, which are larger than the contract,
    go without.
    """
    run_protoc([f"--descriptor_set_out={path}", "--include_imports", "--include_source_info"], [*contract, *DETAILS])
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    for file in files.file:
        if file.name not in contract and not file.name.startswith(COMMENTED):
            file.ClearField("source_code_info")
    path.write_bytes(files.SerializeToString(deterministic=True))


def run_protoc(options: list[str], files: list[str]) -> None:
    """Run protoc over `files`, which are named by their path in `protos/`."""
    well_known = importlib.resources.files(grpc_tools) / "_proto"
    call(["protoc", *plugins(), f"-I{PROTOS}", f"-I{well_known}", *options, *files])


def plugins() -> list[str]:
    """The plugins of this interpreter's environment, which may be missing from PATH."""
    return [f"--plugin={path}" for path in Path(sys.executable).parent.glob("protoc-gen-mypy*")]


def call(arguments: list[str]) -> None:
    """Call protoc and stop at its first error."""
    if protoc.main(arguments):
        sys.exit(f"protoc failed: {' '.join(arguments)}")


def differences(fresh: Path) -> list[str]:
    """Name the generated files of the tree that are missing, too many, or not those in `fresh`."""

    def names(folder: Path, root: Path) -> set[str]:
        found = (path.relative_to(root) for path in folder.rglob("*") if path.is_file())
        return {str(path) for path in found if "__pycache__" not in path.parts}

    ours = names(fresh, fresh)
    theirs = {name for folder in GENERATED for name in names(folder, ROOT)}
    _, changed, broken = filecmp.cmpfiles(fresh, ROOT, sorted(ours), shallow=False)
    return sorted((theirs - ours) | set(changed) | set(broken))


def report(different: list[str]) -> int:
    """Print what differs, and what to do about it."""
    for name in different:
        print(f"{name} is not generated from the present protos/", file=sys.stderr)
    if different:
        print("run `make generate` and commit what it writes", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
