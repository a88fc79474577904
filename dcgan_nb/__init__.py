"""Train a DCGAN on your own images: a literate, tested tutorial and package on fastai

```python
from dcgan_nb.all import *
# train('folder', data='my-pictures')    # a folder of pictures becomes a run folder, runs/folder
g = load_generator('digits')             # a generator that comes with the package, or the best one of a run folder
image_grid(g.draw(sample_z(64, seed=0)))
```

Modules:

- `dcgan_nb.commands`: Train, draw, measure, compare and export from a shell
- `dcgan_nb.data`: From bytes to the tensors that a GAN sees, and back
- `dcgan_nb.explorer`: A panel of sliders in front of the generator, and a training that can be watched
- `dcgan_nb.export`: A trained generator in ONNX, in torch.export, and in a browser
- `dcgan_nb.folders`: From whatever you have to batches, and everything that was not used is named
- `dcgan_nb.hub`: A model card, the Hugging Face Hub, dashboards
- `dcgan_nb.latents`: A film of it learning, walks between latents, arithmetic with them, and a search for copies
- `dcgan_nb.learner`: Thirteen plain lines, then the same arithmetic on fastai's `GANLearner`
- `dcgan_nb.loaders`: One array of bytes, and a loader whose batch is a single indexing
- `dcgan_nb.metrics`: Four numbers for a generator, and what must stand beside each of them
- `dcgan_nb.models`: Two stacks of convolutions that mirror each other, for any size of picture
- `dcgan_nb.recipes`: From a recipe to a run folder
- `dcgan_nb.run`: What is kept of a training, and where
- `dcgan_nb.samples`: Sets of generated pictures as files, in constant memory, that go on where they stopped"""

from importlib.metadata import version

__version__ = version('dcgan_nb')
