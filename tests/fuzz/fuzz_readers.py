"""Every reader of outside files, in one list."""

from __future__ import annotations

import fuzz_lab_files
import fuzz_run_files
import fuzz_sent_files
import fuzz_store_files
from fuzz_reader import Reader

READERS: dict[str, Reader] = {
    reader.name: reader
    for part in (fuzz_lab_files, fuzz_store_files, fuzz_run_files, fuzz_sent_files)
    for reader in part.readers()
}
