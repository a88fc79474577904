"All metadata comes from settings.ini; pyproject.toml holds only what pip and nbdev must find there."
import re
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup, find_packages
from setuptools.command.sdist import sdist

here = Path(__file__).parent
cfg = ConfigParser()
cfg.read(here/'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']
lines = lambda key: [o for o in cfg[key].split('\n') if o.strip()]
extras = {o.removesuffix('_requirements'): lines(o) for o in cfg if o.endswith('_requirements')}      # dev, datasets, film

class WholeSdist(sdist):
    "A source archive with settings.ini, which this file reads"
    def make_distribution(self):
        self.filelist.append('settings.ini')
        super().make_distribution()

def readme():
    "The README for PyPI, where links inside the repository lead nowhere"
    text, at = (here/'README.md').read_text(encoding='utf-8'), f"https://github.com/{cfg['user']}/{cfg['lib_name']}"
    text = re.sub(r'(!\[[^]]*\]\()(?!https?:)', rf"\g<1>{at}/raw/{cfg['branch']}/", text)
    return re.sub(r'\]\((?!https?:|#)', f"]({at}/blob/{cfg['branch']}/", text)

classifiers = ['Development Status :: 4 - Beta', 'Intended Audience :: Developers', 'Intended Audience :: Education',
    'Intended Audience :: Science/Research', 'Framework :: Jupyter',
    'Operating System :: OS Independent', 'Topic :: Scientific/Engineering :: Artificial Intelligence', 'Typing :: Typed',
    *(f'Programming Language :: Python :: {o}' for o in ('3', '3.10', '3.11', '3.12', '3.13'))]

setup(version=cfg['version'], author=cfg['author'], license=cfg['license'],
      keywords=cfg['keywords'].split(), classifiers=classifiers, packages=find_packages(include=['dcgan_nb']),
      package_data={'dcgan_nb': ['py.typed', '*.safetensors', 'pretrained/*/*', 'web/*']},
      install_requires=lines('requirements'), extras_require=extras,
      entry_points={'console_scripts': lines('console_scripts'), 'nbdev': [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"]},
      long_description=readme(), long_description_content_type='text/markdown', cmdclass=dict(sdist=WholeSdist))
