from importlib.metadata import version

__version__ = version('dcgan_nb')
