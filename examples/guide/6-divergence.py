"""Made from docs/guide/6-divergence.md by docs/make_examples.py: change that."""

# %% [markdown]
# # 6. Kullback-Leibler divergence, and a variational autoencoder
#
# The losses so far compare a prediction with a value. The **Kullback-Leibler divergence** compares a distribution with a
# distribution: how much more surprised on average, in nats, is whoever believes $q$ where $p$ is true,
#
# $$\operatorname{KL}(p \,\|\, q) = \sum_c p_c \log \frac{p_c}{q_c}.$$
#
# It is never negative, and zero only where the two agree.

# %%
# Pictures are drawn by docs/figures.py: here they go below the cell or, of a script, into build/figures.
import sys
from pathlib import Path

place = Path(globals().get("__file__", "notebook")).resolve()
sys.path.insert(0, str(next(folder for folder in place.parents if (folder / "docs").exists()) / "docs"))

# %%
import numpy as np

import lossmith as lm

truth, belief = np.array([[0.90, 0.08, 0.02]]), np.array([[0.60, 0.10, 0.30]])
kl, surprise = lm.kl_divergence(), lm.cross_entropy(from_logits=False)
there, back = kl(truth, belief), kl(belief, truth)
print(f"KL(truth, belief) = {there:.3f}   KL(belief, truth) = {back:.3f}")
cross, entropy = surprise(truth, belief), surprise(truth, truth)
print(f"cross-entropy {cross:.3f} = entropy {entropy:.3f} + KL {there:.3f}")

# %% [markdown]
# It is no distance: the two directions differ. The last line is why [chapter 4](4-cross-entropy.py) needed no divergence:
# the entropy of the truth does not depend on the model, so minimising cross-entropy *is* minimising the divergence. Where
# it is the *first* distribution that the model chooses, its entropy counts too, and the divergence itself must be the
# loss. The best known case is below.
#
# ## Two terms that pull against each other
#
# An autoencoder squeezes an image through a few numbers, the code $z$, and tries to get the image back. A *variational*
# one (Kingma and Welling 2013) gives a whole distribution $q(z \mid x)$ of codes for each image and is trained to make
#
# $$\operatorname{E}_{q}\left[-\log p(x \mid z)\right] + \operatorname{KL}\left(q(z \mid x) \,\|\, N(0, I)\right)$$
#
# small: the reconstruction, and the price of the code. The first term wants codes that say everything about the image.
# The second wants codes that say nothing, so that they cannot be told from standard normal noise. The sum is an upper
# bound of $-\log p(x)$, the surprise at the image; with its sign turned it is called the evidence lower bound, ELBO.
#
# Each of scikit-learn's digits has 64 pixels, each a *count* from 0 to 16 (of the dark points in a block of 4 by 4). So
# we let $p(x \mid z)$ be binomial; its surprise is 16 times our binary cross-entropy, less a constant. The divergence
# between normal distributions has a closed form, which takes two lines in lossmith; the derivatives come with it.

# %%
import math

import torch
from sklearn.datasets import load_digits

from lossmith.formula import Real, exp

@lm.pointwise
def normal_kl(y: Real, mean: Real, log_scale: Real):
    """Divergence of N(mean, scale^2) from N(y, 1)."""
    return ((mean - y) ** 2 + exp(2 * log_scale) - 1) / 2 - log_scale

bce, price = lm.binary_cross_entropy(), normal_kl()
torch.manual_seed(0)
images = torch.tensor(load_digits().data / 16, dtype=torch.float32)
order = torch.randperm(len(images))
images = images[order]
train, test = images[:1400], images[1400:]
SIZE = 16                                       # numbers in a code

def reconstruction(x, logits):
    """Surprise at each image: binomial, 16 points a pixel."""
    count = 16 * x
    ways = math.lgamma(17) - torch.lgamma(count + 1) - torch.lgamma(17 - count)
    told = bce(x.expand_as(logits).contiguous(), logits, reduction="none")
    return (16 * told - ways).sum(-1)

def encode(encoder, x):
    """Of each number in the code: its mean, the log of its standard deviation."""
    return encoder(x).reshape(len(x), SIZE, 2)

def paid(code):
    """Price of each code: how far it is from standard normal noise."""
    return price(torch.zeros_like(code[..., 0]), code, reduction="none").sum(-1)

def terms(networks, x, draws=1):
    """Both terms for each image."""
    encoder, decoder = networks
    code = encode(encoder, x)
    z = code[..., 0] + code[..., 1].exp() * torch.randn(draws, len(x), SIZE)
    return reconstruction(x, decoder(z)).mean(0), paid(code)

print(f"{len(train)} digits to train with, {len(test)} held out")

# %% [markdown]
# Training is [chapter 1](1-loss.py)'s loop, with Adam choosing the steps. `beta` weighs the second term; 1 is the bound
# itself.

# %%
def fit(objective, epochs=80):
    torch.manual_seed(1)
    layer, relu = torch.nn.Linear, torch.nn.ReLU
    networks = torch.nn.ModuleList(
        torch.nn.Sequential(layer(a, 256), relu(), layer(256, b))
        for a, b in ((64, 2 * SIZE), (SIZE, 64))
    )
    adam = torch.optim.Adam(networks.parameters(), lr=0.002)
    history = []
    for _ in range(epochs):
        for x in train[torch.randperm(len(train))].split(100):
            adam.zero_grad()
            objective(networks, x).backward()
            adam.step()
        with torch.no_grad():
            history.append([term.mean().item() for term in terms(networks, test)])
    return networks, np.array(history)

def bound(beta):
    def objective(networks, x):
        rebuilding, code = terms(networks, x)
        return (rebuilding + beta * code).mean()
    return objective

found = {beta: fit(bound(beta)) for beta in (0.1, 0.3, 1.0, 3.0, 10.0)}
held_out = {}
with torch.no_grad():
    print(" beta   reconstruction   price of the code     sum")
    for beta, (networks, _) in found.items():
        both = [term.mean().item() for term in terms(networks, test, draws=50)]
        held_out[beta] = both
        print(f"{beta:5.1f}   {both[0]:14.1f}   {both[1]:17.1f}   {sum(both):5.1f}")

# %%
import matplotlib.pyplot as plt
from figures import COLOURS, show

BLUE, RED, GREEN, PURPLE, AMBER, GREY = COLOURS
figure, (time, trade) = plt.subplots(1, 2, figsize=(8.4, 3.4))
history = found[1.0][1]
time.plot(history[:, 0], color=PURPLE, linewidth=1.8)
time.plot(history[:, 1], color=GREEN, linewidth=1.8)
time.plot(history.sum(1), color=GREY, linewidth=1.8)
for column, name, lift, colour in ((0, "reconstruction", -17, PURPLE), (1, "price of the code", 8, GREEN)):
    time.text(79, history[-1, column] + lift, name, color=colour, ha="right", fontsize=9)
time.text(79, history[-1].sum() + 9, "sum", color=GREY, ha="right", fontsize=9)
time.set(title="while training (beta = 1)", xlabel="epoch", ylabel="nats for a digit held out", ylim=(0, 260))
rebuilt, price_paid = np.array(list(held_out.values())).T
trade.plot(price_paid, rebuilt, color=GREY, linewidth=1, zorder=1)
trade.scatter(price_paid, rebuilt, color=BLUE, zorder=2, s=26)
for beta, x, height in zip(found, price_paid, rebuilt, strict=True):
    trade.annotate(f"beta {beta:g}", (x, height), xytext=(7, 3), textcoords="offset points", fontsize=9)
line = np.array([price_paid.min(), price_paid.max()])
trade.plot(line, sum(held_out[1.0]) - line, color=GREY, linewidth=0.9, linestyle=":")
trade.set(title="what a better picture costs", xlabel="price of the code", ylabel="reconstruction",
          xlim=(0, price_paid.max() * 1.22), ylim=(0, rebuilt.max() * 1.08))
show(figure, alt=f"Left: while training, the reconstruction term falls, steeply at first, to {history[-1, 0]:.0f} nats, and the "
                 f"price of the code rises to {history[-1, 1]:.0f}; their sum falls. Right: as beta goes from 10 down to 0.1 "
                 "the price of the code rises and the reconstruction term falls along a convex curve; at beta 1 it "
                 "touches the dotted line of equal sums.")

# %% [markdown]
# While it trains, the model learns to *pay*: the reconstruction gets better as the code gets dearer, and it stops where
# one more nat of code saves less than a nat of reconstruction. A larger `beta` makes it stingy, a smaller one lavish
# (Higgins 2017; Alemi 2018). The sum, which bounds the surprise, is lowest on unseen digits where both terms count alike
# (the dotted line has equal sums).
#
# ## Is the price right?
#
# The closed form can be checked by what it stands for: draw codes from $q$, and average how much more likely they are
# under $q$ than under the prior.

# %%
from torch.distributions import Normal

(encoder, decoder), _ = found[1.0]
with torch.no_grad():
    code = encode(encoder, test)
    q = Normal(code[..., 0], code[..., 1].exp())
    z = q.sample((500,))
    sampled = (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1).mean().item()
    exact = paid(code).mean().item()
print(f"closed form {exact:.3f}, {500 * len(test):,} draws {sampled:.3f}, "
      f"{abs(sampled / exact - 1):.2%} apart")

# %% [markdown]
# ## Is it any better than an ordinary autoencoder?
#
# A fair rival: the same networks, trained for reconstruction alone. Afterwards it gets the same prior and is made as good
# a model of images as we know how without more training: its codes are shifted, turned and scaled so that they are as
# standard normal as possible, and given the one noise level that makes the training digits least surprising.

# %%
def plain(networks, x):
    encoder, decoder = networks
    return reconstruction(x, decoder(encode(encoder, x)[..., 0])).mean()

(plain_encoder, plain_decoder), _ = fit(plain)
with torch.no_grad():
    codes = encode(plain_encoder, train)[..., 0]
    centre, shape = codes.mean(0), torch.linalg.cholesky(codes.T.cov())

    def rival(x, noise, draws):
        mean = (encode(plain_encoder, x)[..., 0] - centre) @ shape.inverse().T
        z = mean + noise * torch.randn(draws, *mean.shape)
        rebuilding = reconstruction(x, plain_decoder(centre + z @ shape.T)).mean(0)
        code = torch.stack([mean, torch.full_like(mean, math.log(noise))], -1)
        return rebuilding + paid(code)

    levels = np.geomspace(0.05, 0.8, 11)
    noise = min(levels, key=lambda level: rival(train, level, draws=5).mean().item())
    theirs = rival(test, noise, draws=50)
    ours = sum(terms((encoder, decoder), test, draws=50))
gain = (theirs - ours).numpy()
error = gain.std() / len(gain) ** 0.5
print(f"ELBO on {len(test)} digits held out")
print(f"autoencoder with a prior  {-theirs.mean():6.1f}")
print(f"variational autoencoder   {-ours.mean():6.1f}")
print(f"ahead by {gain.mean():.1f} nats a digit (standard error {error:.1f})")

# %%
with torch.no_grad():
    torch.manual_seed(2)
    z = torch.randn(14, SIZE)
    shown = [(test[:14], "digits held out"), (torch.sigmoid(decoder(encode(encoder, test[:14])[..., 0])), "reconstructed"),
             (torch.sigmoid(decoder(z)), "drawn from noise"),
             (torch.sigmoid(plain_decoder(centre + z @ shape.T)), "drawn by the rival")]
figure, axes = plt.subplots(4, 1, figsize=(8.4, 3.3))
for axis, (rows, name) in zip(axes, shown, strict=True):
    axis.imshow(rows.reshape(14, 8, 8).permute(1, 0, 2).reshape(8, 112).numpy(), cmap="gray_r", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
show(figure, alt="Four rows of small images: digits held out, their reconstructions by the variational autoencoder, which look "
                 "alike, digits that it made from random codes, many of them readable, and those of the rival, much like them.")

# %% [markdown]
# By eye the two rows of invented digits are hard to rank. The eye is a poor judge of such models (Theis 2016); the
# surprise at digits that neither has seen is a fair one.

# %% [markdown]
# ## Try it
#
# Set `SIZE` to 2. The sum gets worse, but the codes can be drawn: plot `encode(encoder, test)[..., 0]` coloured by digit,
# `load_digits().target[order[1400:]]`. Then raise `beta` further: at some price the model gives up coding, and the second
# term is zero. That is known as posterior collapse.
#
# ## Sources
#
# * S. Kullback, R. A. Leibler, *On information and sufficiency*, Annals of Mathematical Statistics 22 (1951),
#   [doi:10.1214/aoms/1177729694](https://doi.org/10.1214/aoms/1177729694).
# * D. P. Kingma, M. Welling, *Auto-encoding variational Bayes* (2013),
#   [doi:10.48550/arXiv.1312.6114](https://doi.org/10.48550/arXiv.1312.6114).
# * The trade-off: I. Higgins and others, *beta-VAE*, ICLR 2017; A. A. Alemi and others, *Fixing a broken ELBO*, ICML
#   2018, [doi:10.48550/arXiv.1711.00464](https://doi.org/10.48550/arXiv.1711.00464).
# * L. Theis, A. van den Oord, M. Bethge, *A note on the evaluation of generative models*, ICLR 2016,
#   [doi:10.48550/arXiv.1511.01844](https://doi.org/10.48550/arXiv.1511.01844).
# * Why not cross-entropy on grey values as if they were labels: G. Loaiza-Ganem, J. P. Cunningham, *The continuous
#   Bernoulli* (2019), [doi:10.48550/arXiv.1907.06845](https://doi.org/10.48550/arXiv.1907.06845).
