"All metadata comes from settings.ini; pyproject.toml holds only what pip and nbdev must find there."
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup, find_packages

here = Path(__file__).parent
cfg = ConfigParser()
cfg.read(here/'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']
lines = lambda key: [o for o in cfg[key].split('\n') if o.strip()]

setup(version=cfg['version'], author=cfg['author'], license=cfg['license'],
      keywords=cfg['keywords'].split(), packages=find_packages(include=['dcgan_nb']),
      package_data={'dcgan_nb': ['*.safetensors']},
      install_requires=lines('requirements'), extras_require={'dev': lines('dev_requirements')},
      entry_points={'console_scripts': lines('console_scripts'), 'nbdev': [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"]},
      long_description=(here/'README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown')
