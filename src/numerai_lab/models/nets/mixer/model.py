"""`mixer`: subsets of a row's features, mixed by TSMixer's blocks, to a few numbers a row."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import ModelInfo
from numerai_lab.models.nets.adapting import AdaptingNet
from numerai_lab.models.nets.device import computing
from numerai_lab.models.nets.mixer.module import MixerNet
from numerai_lab.models.nets.mixer.params import MixerParams
from numerai_lab.models.nets.net import CPU
from numerai_lab.models.nets.training import computed


class Mixer(AdaptingNet):
    """A net that mixes subsets of the features of one row; see `module.MixerNet`.

    Each net of `seeds` draws subsets of its own.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="a net of TSMixer's blocks over subsets of a row's features, by torch",
        unit="epochs",
        exportable=True,
        tolerance=1e-4,
        not_finite_hint="a smaller learning_rate is the usual way out",
    )
    Params: ClassVar[type[MixerParams]] = MixerParams
    name: ClassVar[str] = "mixer"

    params: MixerParams

    def new_net(self, n_features: int, n_outputs: int) -> MixerNet:
        """Make a net with random subsets and weights."""
        return MixerNet(n_features, n_outputs, self.params)

    def encode(self, frame: EraFrame) -> Float32:
        """Return what the prediction of each row is made from: the bottlenecks of the nets.

        They are features for other models. Those of rows that the model was fitted on know their
        targets: take them from a model that was fitted on other eras, as each fold's model is.
        Their scale and sign mean nothing and differ from fit to fold; ranks within an era are what
        to learn from.

        Returns
        -------
        float32 [n_rows, seeds x bottleneck], the nets one after another. The numbers of a row
        depend on no other row (but for float features, which are ranked within their era), and on
        no target.

        Raises
        ------
        ModelError : the features are not those trained on.
        """
        self._trained.check(frame)
        width = self.params.bottleneck
        codes = np.empty((frame.n_rows, len(self.nets) * width), dtype=np.float32)
        with computing(0, CPU):
            for number, net in enumerate(self.nets):
                columns = slice(number * width, (number + 1) * width)
                for rows, own in computed(cast(MixerNet, net).codes, frame, CPU, row_by_row=True):
                    codes[rows, columns] = own
        return codes
