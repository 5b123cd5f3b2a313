"""What can be set in the thesis's network and its training, which values make a network, what each costs.

The sweep over them (thesis 2.3) is in `tuning`, among the studies.
"""

import math
from dataclasses import dataclass, replace

from mirnb.files import InputError

# the values of a full sweep, and the few of a short one; the rates of SGD are the thesis's (cell 19)
VALUES = {
    "filter1": (4, 8, 12, 16, 24, 32, 50, 64),
    "filter2": (4, 8, 12, 16, 24, 32, 48, 64),
    "filter3": (5, 10, 15, 20, 30, 40, 60, 80),
    "kernel": (1, 2, 3, 4, 5, 6, 7, 9),
    "pool": ((1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (3, 3), (4, 2), (5, 3)),
    "sgd": (2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1),
    "adam": (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "epochs": (2, 5, 10, 20, 40),
    "batch_size": (16, 32, 64, 128, 256, 512),
    "padding": ("valid", "same"),
}
FEW_VALUES = {
    "filter1": (4, 12, 50, 64),
    "filter2": (4, 16, 32, 48),
    "filter3": (5, 20, 30, 80),
    "kernel": (1, 3, 5, 7),
    "pool": ((1, 2), (2, 2), (3, 3), (5, 3)),
    "sgd": (2e-3, 1e-2, 5e-2, 2e-1, 5e-1),
    "adam": (1e-4, 5e-4, 2e-3, 2e-2),
}
_RATES = ("sgd", "adam")
# what else takes time, in multiply-adds that take as long (measured): a value of a feature map on its way through bias,
# pooling and back; a step's overhead
_ACTIVATION, _STEP = 75, 130_000_000


@dataclass(frozen=True)
class Hyperparameters:
    """The thesis's network and training where nothing else is said: LeNet-5 of 10,952 weights, Adam at 2e-3."""

    filter1: int = 12
    filter2: int = 16
    filter3: int = 20
    kernel: int = 5
    pool: tuple[int, int] = (2, 2)
    padding: str = "valid"  # of the pooling
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    epochs: int = 10
    batch_size: int = 128

    def having(self, setting, value):
        """These with one setting changed; sgd and adam set the optimizer and its rate."""
        if setting in _RATES:
            return replace(self, optimizer=setting, learning_rate=value)
        return replace(self, **{setting: value})

    def value_of(self, setting):
        """The value of a setting; None for the rate of the other optimizer."""
        if setting in _RATES:
            return self.learning_rate if self.optimizer == setting else None
        return getattr(self, setting)

    @property
    def name(self):
        """All of them in a word, for a file's name."""
        return (
            f"{self.filter1}-{self.filter2}-{self.filter3}-k{self.kernel}-p{in_text('pool', self.pool)}-{self.padding}-"
            f"{self.optimizer}{self.learning_rate:g}-e{self.epochs}-b{self.batch_size}"
        )

    def kernel_shapes(self, crop_shape, n_classes):
        """Shapes of the four kernels, from the crop on; each layer has as many biases as its kernel's last side."""
        *_, flat = self._sizes(crop_shape)
        area = (self.kernel, self.kernel)
        return (
            (*area, crop_shape[2], self.filter1), (*area, self.filter1, self.filter2), (flat, self.filter3),
            (self.filter3, n_classes),
        )  # fmt: skip

    def n_weights(self, crop_shape, n_classes):
        """Trainable weights for crops of (rows, cols, channels)."""
        return sum(math.prod(shape) + shape[-1] for shape in self.kernel_shapes(crop_shape, n_classes))

    def multiplied(self, crop_shape, n_crops):
        """Multiply-adds of a training, there and back."""
        first, second, flat = self._sizes(crop_shape)
        area = self.kernel**2
        convolutions = 2 * first * area * crop_shape[2] * self.filter1 + 3 * second * area * self.filter1 * self.filter2
        return self.epochs * n_crops * (convolutions + 3 * flat * self.filter3)

    def work(self, crop_shape, n_crops):
        """Roughly what a training takes, in multiply-adds: to share out work and tell the time that is left."""
        first, second, _ = self._sizes(crop_shape)
        handled = n_crops * _ACTIVATION * (first * self.filter1 + second * self.filter2)
        n_steps = -(-n_crops // self.batch_size)
        return self.multiplied(crop_shape, n_crops) + self.epochs * (handled + n_steps * _STEP)

    def _sizes(self, crop_shape):
        """Pixels of both feature maps, and values that reach the first dense layer."""
        rows, cols = (self._pooled(size, pool) for size, pool in zip(crop_shape, self.pool, strict=False))
        last = math.prod(self._pooled(size, pool) for size, pool in zip((rows, cols), self.pool, strict=True))
        return crop_shape[0] * crop_shape[1], rows * cols, last * self.filter2

    def _pooled(self, size, pool):
        return -(-size // pool) if self.padding == "same" else size // pool


def require_possible(hyper, crop_shape):
    """Refuse what makes no network for crops of (rows, cols, channels), or no training.

    Raises
    ------
    InputError
        Naming the setting, the value and the values that are possible.
    """
    size = f"crops of {crop_shape[0]}x{crop_shape[1]}"
    for setting in ("filter1", "filter2", "filter3", "epochs", "batch_size"):
        value = getattr(hyper, setting)
        if not _is_count(value):
            raise InputError(f"{setting} {value}: must be a whole number, 1 or more")
    most = min(crop_shape[:2])
    if not _is_count(hyper.kernel) or hyper.kernel > most:
        raise InputError(f"kernel {hyper.kernel}: larger than {size} allow, or no whole number; possible are 1 to {most}")
    limits = [math.isqrt(size) if hyper.padding == "valid" else size for size in crop_shape[:2]]
    if len(hyper.pool) != 2 or not all(_is_count(p) and p <= limit for p, limit in zip(hyper.pool, limits, strict=True)):
        raise InputError(
            f"pool {in_text('pool', hyper.pool)}: two poolings leave nothing of {size}, or these are no two whole numbers; "
            f"possible are 1 to {limits[0]} rows and 1 to {limits[1]} columns, such as {limits[0]}x{limits[1]}"
        )
    if hyper.padding not in VALUES["padding"]:
        raise InputError(f"padding {hyper.padding}: possible are {' and '.join(VALUES['padding'])}")
    if not 0 < hyper.learning_rate < 10:
        raise InputError(f"{hyper.optimizer} {hyper.learning_rate:g}: a learning rate lies above 0 and below 10")


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def in_text(setting, value):
    """A value as tables and axes show it: 12, 2x2, 0.002."""
    if setting == "pool":
        return "x".join(str(one) for one in value)
    return f"{value:g}" if setting in _RATES else str(value)


def _require_setting(setting):
    if setting not in VALUES:
        raise InputError(f"{setting}: no such setting; there are {', '.join(VALUES)}")


def from_text(setting, text):
    """The value that `in_text` shows as `text`.

    Raises
    ------
    InputError
        If there is no such setting, or the text is no value of it.
    """
    _require_setting(setting)
    try:
        if setting == "pool":
            rows, cols = text.split("x")
            return int(rows), int(cols)
        return float(text) if setting in _RATES else text if setting == "padding" else int(text)
    except ValueError:
        expected = ", ".join(in_text(setting, value) for value in VALUES[setting])
        raise InputError(f"{setting} {text}: expected values such as {expected}") from None


def possible_values(setting, crop_shape, fixed, *, few=False):
    """The usual values of a setting that make a network for these crops.

    Raises
    ------
    InputError
        If there is no such setting.
    """
    _require_setting(setting)
    values = FEW_VALUES.get(setting, VALUES[setting]) if few else VALUES[setting]

    def is_possible(value):
        try:
            require_possible(fixed.having(setting, value), crop_shape)
        except InputError:
            return False
        return True

    return tuple(value for value in values if is_possible(value))
