"What a user of the tool needs: `from dcgan_nb.all import *`; the reason for each group is on the contributing page"

# see your pictures as the networks do
from .data import ImageSet, digit_images, digits_dls, image_dls, image_grid, from_range, to_range, data_grid
from .folders import read_images, folder_dls, cifar10_dls, cars_dls

# build the two networks
from .models import Generator, Discriminator, model_table, sample_z
from .init import init_dcgan
from .optim import dcgan_opt
from .losses import d_loss, g_loss

# train them, as fastai users know it
from .learner import DCGANLearner, GANCallback, dcgan_learner, pick_precision
from .noise import DiffAugment, InstanceNoise
from .signs import VitalSigns, diagnose, plot_signs, read_history
from .follow import BestGenerator, EMA
from .devices import DistributedGAN
from .checkpoint import Checkpoint, History, TrimMemory, fingerprint
from .explorer import LiveTraining

# train with one line, and keep the run
from .recipe import RECIPES, Recipe, get_recipe
from .recipes import train, evaluate_run
from .run import Run, hardware, load_generator, shipped, versions
from .samples import sample_run

# measure
from .metrics import Evaluation, ImageNetFeatures, cifar10_features, inception_features, load_features
from .metrics import distances, evaluate, fd, feature_stats, kid, precision_recall

# explore what was learned
from .latents import SampleGrid, copy_check, latent_walk, make_film, nearest_real, slerp, truncate, truncated_z
from .explorer import Explorer, principal_directions

# take it elsewhere
from .export import check_export, demo_page, demo_z, export_run, to_onnx, to_program
from .hub import model_card, push_run

# ask the machine, and plot
from .core import check_machine, plot_lines
