"""Generate the Python stubs and the commented descriptor set in `generated/` from the contract in `protos/`.

    python protos/generate.py            write generated/
    python protos/generate.py --check    write nothing; fail where generated/ is not what the protos give
    python protos/generate.py --image F  write the contract, with all that it imports, as one image for buf

Everything runs from installed wheels: protoc from grpcio-tools, the google protos from googleapis-common-protos, and
buf/validate/validate.proto from the descriptor inside protovalidate, whose wheel has no .proto.
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.resources
import shutil
import sys
import tempfile
from pathlib import Path

import google.api
import grpc_tools
from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

PROTOS = Path(__file__).resolve().parent
GENERATED = PROTOS.parent / "generated"
VALIDATE = "buf/validate/validate.proto"
BUILT_IN = ("descriptor", "duration", "field_mask", "timestamp", "any", "empty", "wrappers", "struct")


def main() -> int:
    """Run the command line; the exit status is 1 where --check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--image", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        imports = write_imports(Path(scratch) / "imports.binpb")
        if arguments.image:
            image = f"--descriptor_set_out={arguments.image}"
            run_protoc(imports, [image, "--include_imports", "--include_source_info"])
            return 0
        fresh = Path(scratch) / "generated"
        generate(fresh, imports)
        if arguments.check:
            return report(differences(fresh, GENERATED))
        shutil.rmtree(GENERATED, ignore_errors=True)
        shutil.copytree(fresh, GENERATED)
    return 0


def write_imports(path: Path) -> Path:
    """Write the descriptors of all that the contract imports from outside, so that protoc resolves them."""
    well_known = importlib.resources.files(grpc_tools) / "_proto"
    common = Path(google.api.__path__[0]).parents[1]
    own = path.with_suffix(".google.binpb")
    names = [f"google/protobuf/{name}.proto" for name in BUILT_IN]
    common_names = ("api/annotations", "api/field_behavior", "api/visibility", "type/money")
    names += [f"google/{name}.proto" for name in common_names]
    call(["protoc", f"-I{well_known}", f"-I{common}", f"--descriptor_set_out={own}", "--include_imports", *names])
    files = descriptor_pb2.FileDescriptorSet.FromString(own.read_bytes())
    files.file.add().MergeFromString(validate_pb._DESC.proto.to_binary())
    path.write_bytes(files.SerializeToString())
    return path


def generate(target: Path, imports: Path) -> None:
    """Generate everything into `target`."""
    target.mkdir(parents=True)
    stubs = [f"--python_out={target}", f"--mypy_out=quiet:{target}"]
    services = [f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}"]
    run_protoc(imports, [*stubs, *services])
    run_protoc(imports, stubs, [VALIDATE])
    # Python's own descriptors drop comments; reflection serves these instead, so `describe` is the manual.
    contract = target / "library" / "contract.binpb"
    run_protoc(imports, [f"--descriptor_set_out={contract}", "--include_source_info"])


def run_protoc(imports: Path, options: list[str], files: list[str] | None = None) -> None:
    """Run protoc over `files`, by default the whole contract."""
    contract = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    # The plugins of this interpreter's environment, which need not be on the PATH.
    plugins = [f"--plugin={path}" for path in Path(sys.executable).parent.glob("protoc-gen-mypy*")]
    call(["protoc", *plugins, f"--descriptor_set_in={imports}", f"-I{PROTOS}", *options, *(files or contract)])


def call(arguments: list[str]) -> None:
    """Call protoc and stop at its first error."""
    if protoc.main(arguments):
        sys.exit(f"protoc failed: {' '.join(arguments)}")


def differences(fresh: Path, committed: Path) -> list[str]:
    """Name the files that only one side has or that differ."""

    def names(root: Path) -> set[str]:
        found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return {str(path) for path in found if "__pycache__" not in path.parts}

    ours, theirs = names(fresh), names(committed)
    _, changed, broken = filecmp.cmpfiles(fresh, committed, sorted(ours & theirs), shallow=False)
    return sorted((ours ^ theirs) | set(changed) | set(broken))


def report(different: list[str]) -> int:
    """Print what differs, and what to do about it."""
    for name in different:
        print(f"generated/{name} is not what protos/ gives", file=sys.stderr)
    if different:
        print("run `make generate` and commit what it writes", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
