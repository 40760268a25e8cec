"""nnU-Net's networks against MONAI's DynUNet, an independent writing of the plain one.

nnU-Net itself is asked in ``tests/training/test_nnunet_program.py``, where it is installed."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets import DynUNet

from pulmomap.networks.nnunet import NnUnet

# One kernel for all: DynUNet gives a level of the decoder the kernel of the level below, nnU-Net that of its own.
KERNELS, STRIDES = [[3, 3, 3]] * 3, [[1, 1, 1], [1, 2, 2], [2, 2, 2]]


def shaken(network: torch.nn.Module) -> torch.nn.Module:
    """Weights that are nowhere 0 or 1, so that a forgotten norm or bias shows."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def test_plain_network_is_dynunet() -> None:
    features = [4, 6, 8]
    ours = NnUnet(features=features, kernels=KERNELS, strides=STRIDES, blocks=[2, 2, 2], decoder=[2, 2], bias=False)
    slope, affine = ("leakyrelu", {"negative_slope": 0.01}), ("instance", {"affine": True})
    theirs = shaken(DynUNet(3, 2, 3, KERNELS, STRIDES, STRIDES[1:], features, norm_name=affine, act_name=slope))
    assert isinstance(theirs, DynUNet)
    blocks = [theirs.input_block, *theirs.downsamples, theirs.bottleneck]
    with torch.no_grad():
        for stage, block in zip(ours.encoder.stages, blocks, strict=True):
            copy_block(stage[0].convs, block)  # type: ignore[index]
        for up, stage, block in zip(ours.decoder.transpconvs, ours.decoder.stages, theirs.upsamples, strict=True):
            up.weight.copy_(block.transp_conv.conv.weight)
            copy_block(stage.convs, block.conv_block)
        ours.decoder.seg_layer.load_state_dict(theirs.output_block.conv.conv.state_dict())
        x = torch.randn(1, 2, 6, 12, 16)
        assert torch.allclose(ours.eval()(x), theirs(x), atol=1e-5)
    assert ours.stride == 4


def copy_block(convolutions: torch.nn.Sequential, block: torch.nn.Module) -> None:
    for number, one in enumerate(convolutions, start=1):
        one.conv.weight.copy_(getattr(block, f"conv{number}").conv.weight)
        one.norm.load_state_dict(getattr(block, f"norm{number}").state_dict())


def test_normalisation_is_that_of_each_image() -> None:
    torch.manual_seed(0)
    arguments = {"features": [2, 4], "kernels": KERNELS[:2], "strides": STRIDES[:2], "blocks": [1, 1], "decoder": [1]}
    bare = NnUnet(**arguments)
    whole = NnUnet(**arguments, intensities=[(-100.0, 50.0, 10.0, 20.0), (-500.0, 400.0, 200.0, 100.0)])
    whole.load_state_dict(bare.state_dict())
    hu = torch.empty(1, 2, 4, 8, 8).uniform_(-1000, 1000)
    first, second = (hu[:, 0].clamp(-100, 50) - 10) / 20, (hu[:, 1].clamp(-500, 400) - 200) / 100
    assert torch.equal(whole(hu), bare(torch.stack([first, second], 1)))
    with pytest.raises(ValueError, match="2 images need as many intensities, not 1"):
        NnUnet(**arguments, intensities=[(0.0, 1.0, 0.0, 1.0)])


@pytest.mark.parametrize("residual", [False, True])
def test_output_is_on_the_input_grid(residual: bool) -> None:
    network = NnUnet(
        features=[2, 4, 4], kernels=KERNELS, strides=STRIDES, blocks=[1, 2, 1], decoder=[1, 1], residual=residual
    )
    assert network(torch.zeros(1, 2, 4, 8, 16)).shape == (1, 3, 4, 8, 16)
