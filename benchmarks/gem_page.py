"""What the page of maps from particles says around its tables."""

PAGE = """# Maps from particles

Particles are simulated: 64² pixels, with poses, shifts, CTFs and the noise spectrum of EMPIAR-10076 (6.55 Å per pixel
unless said otherwise); SNR is the variance of all noise-free images over that of the noise. The molecules are 8zpm,
each atom a Gaussian of the width given (all densities positive), and a map of the 70S ribosome (of both signs, 27 % of
its energy negative). Numbers are the resolution in Å at which the correlation with the truth falls to 0.5, and the
correlation with the truth over the whole box; 13.10 Å is what these pixels can show at most.

*Plain* is a back-projection with a Wiener filter per shell, from the correlation of half maps within the same sphere;
*clipped* is the same without what is negative. *Claimed* is what `resolution()` says without knowing the truth.
*Voxels* is the mean share of the most probable map of voxels in the result, as the images of the other half asked for
it. *S* are seconds of processor time, which depend little on what else a machine does. `python -m benchmarks.gem DATA`
makes this page; its tables are of one state of the code, STATE, unless they say so.
"""
NOTES = """## What was seen on data of others

- **RELION's projections** of a map are reproduced to a correlation of .99999 (.999999 in a box of 65 px) if
  projected as RELION does: linear interpolation between the Fourier coefficients of the map padded to twice its
  side, divided by the squared sinc of the distance from the centre, nothing beyond half the box. Exact central
  slices agree with RELION's to .99965–.99975, and with this emulation of RELION to the same: what differs is its
  interpolation. Its images in an odd box lie one pixel further in x and y, which is why odd boxes are refused.
- **Seventeen real particles** agree with one another at their poses, and at no others (above). Before the mean of
  every ring about the centre was taken off, it was .347, and .040 to .092 at random poses: a blob has something in
  common with every particle.
- **A flipped hand** is seen by no comparison of images with maps: mirrored poses make a mirrored map that fits as
  well.

## Whitening

With the images of the first two tables at SNR 0.03 and with those of the third, each with and without:

| molecule | images | with whitening | without |
|---|---|---|---|
| atoms, 3.5 Å, seed 7 | 1000 of 64² | 15.19 / 0.9745 | 15.28 / 0.9772 |
| atoms, 6 Å | 1000 of 64² | 18.01 / 0.9923 | 18.59 / 0.9934 |
| 70S, seed 7 | 1000 of 64² | 25.25 / 0.9727 | 25.87 / 0.9724 |
| 70S | 1000 of 64² | 26.91 / 0.9737 | 26.91 / 0.9735 |
| atoms, 6 Å, seed 3 | 600 of 40² | 17.23 / 0.9957 | 16.20 / 0.9957 |
| atoms, 6 Å, seed 4 | 600 of 40² | 18.16 / 0.9954 | 17.05 / 0.9957 |
| atoms, 6 Å, seed 5 | 600 of 40² | 16.85 / 0.9965 | 16.65 / 0.9964 |

It is no worse where images are as large as they should be, and costs up to a shell, an ångström, in the small case; why
is not known. Where the optics groups of one set have noise of very different colours (16-fold, from red to blue), maps
weighted by group are better than maps of all particles as one group, and results better than with white weights: that
is a test.

## How many Gaussians

Trials on poses and noise that no table above has (seed 11), with 160 iterations towards the images at most. *Loss* is
that of the other half's images, less 1, in millionths: what a choice without the truth can be made by. The table is of
the state in which hidden images came to choose the number, and is not measured again with the others.

| molecule | Gaussians of a half | FSC₀.₅ / corr. | loss |
|---|---|---|---|
| atoms, 4.5 Å, 2000 at SNR 0.1 | 1068 | 13.10 / 0.9964 | 1105 |
| (best rival: 15.28 / 0.9930) | 1700 | 13.10 / 0.9956 | 1468 |
| | 700 | 13.10 / 0.9972 | 807 |
| | 1068, a fifth added three times where the residual is large | 13.58 / 0.9961 | 1117 |
| | 1068, the weakest 15 % removed three times | 13.10 / 0.9963 | 1104 |
| atoms, 4.5 Å, 1000 at SNR 0.03 | 2347 | 16.47 / 0.9837 | 51 |
| (best rival: 18.81 / 0.9743) | 1300 | 15.54 / 0.9849 | -147 |
| | 700 | 15.31 / 0.9864 | -221 |
| | 350 | 16.33 / 0.9875 | -307 |
| atoms, 8 Å, 1000 at SNR 0.03 | 2037 | 21.32 / 0.9939 | -963 |
| (best rival: 26.79 / 0.9904) | 700 | 21.06 / 0.9950 | -1147 |

Adding Gaussians in training, where the residual of the images has power, made the other half's images end it sooner
and with a worse map; removing the weakest changed nothing. What helps is to begin with fewer, and the hidden images say
how many: so they are asked before the training, and Gaussians are neither added nor removed in it. More iterations are
what was missing at SNR 0.1: with 60 instead of 160 the first row is 14.36 / 0.9958.

## What it costs

Seconds of processor time of 64² images, from `python -m benchmarks.particle_costs`; the memory is that of the whole
process while images are read from a file and summed.

| images | summed in | per image | memory |
|---|---|---|---|
| 250 | 2.6 s | 10.3 ms | 545 MB |
| 1000 | 4.3 s | 4.3 ms | 540 MB |
| 4000 | 10.1 s | 2.5 ms | 539 MB |

| Gaussians of a half | an iteration |
|---|---|
| 500 | 27 ms |
| 2000 | 33 ms |
| 8000 | 57 ms |

An image costs 2 ms, and 2 s are spent once; an iteration costs 25 ms and 4.0 µs per Gaussian, whatever the number of
images.

**2,000 images** of 64² took 30 to 42 s of processor time in the four cases above, from images in memory to both halves
and their resolution; beside a load of 13 to 25 on two cores that was between 69 and 337 s, and alone on them, with the
refinement of views on by evidence, 51 s (85 s of processors).

## What is missed

Of signed maps Gaussians alone know less than voxels: of 2,000 images of the 70S at SNR 0.1 (seed 11) the plain map has
18.03 Å, and Gaussians alone 20.17 Å with 12,000 a half, 20.14 Å with 200 iterations, and 20.04 Å with 18,000. What the
result has beyond that is what it takes from the most probable map of voxels.
"""
