"""Exceptions of the package: each subclasses a builtin and says what was received, the rule and the remedy."""


class VolumeError(ValueError):
    """A stack that cannot be used: wrong axes, type, size, spacing or values."""


class VoxelSizeError(VolumeError):
    """The voxel size is missing or impossible."""


class ParticlesError(ValueError):
    """Particles whose numbers, boxes or poses do not fit together."""


class FileFormatError(ValueError):
    """A file that is truncated, foreign, oversized or of an unknown kind."""


class ModelFileError(FileFormatError):
    """A model file that is truncated, foreign, oversized or inconsistent."""


class SectionRangeError(ValueError):
    """A section coordinate outside the stack."""


class ConfigError(ValueError):
    """A setting that is unknown or out of range."""


class UncertaintyUnavailableError(RuntimeError):
    """A model that was made without a map of its uncertainty."""


class BackendUnavailableError(RuntimeError):
    """A rasterizer or device that was asked for explicitly does not work here."""


class OutOfMemoryError(MemoryError):
    """A step would exceed, or has exceeded, the memory of the device."""


class DiskSpaceError(OSError):
    """A file would not fit, or no longer fits, on its disk."""


class FolderInUseError(OSError):
    """A folder in which another process is at work."""


class BlocksFailedError(RuntimeError):
    """Blocks of a job that could not be trained, while all others were."""


class JobPausedError(RuntimeError):
    """A job that was stopped before its end, and goes on when it is started again."""


class WorkersLostError(ConnectionError):
    """The workers of a job, or their scheduler, that can no longer be reached."""


class DownloadError(OSError):
    """Sample data did not arrive, or not as expected."""


class MissingLibraryError(RuntimeError):
    """A library that is needed for what was asked, and comes with an extra of the package."""
