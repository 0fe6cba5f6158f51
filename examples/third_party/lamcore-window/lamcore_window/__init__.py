"""A Transformer whose tokens look at near tokens only."""

from dataclasses import dataclass
from functools import partial

from lamcore import hookimpl
from lamcore_transformer import Transformer


@dataclass
class WindowTransformer(Transformer):
    """Transformer whose self-attention sees a window around each token (Beltagy et al. 2020)."""

    window: int = 16
    """How many tokens one sees to either side."""

    def build(self, tokenizer, labels):
        from lamcore_transformer.model import TransformerModel
        from lamcore_window.attention import WindowAttention

        return TransformerModel(self, tokenizer, partial(WindowAttention, window=self.window))


@hookimpl
def register_architectures(register):
    register("window_transformer", WindowTransformer)
