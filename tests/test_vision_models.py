"""Networks for ImageNet: published numbers of parameters, names in checkpoints, values, gradients, trained weights."""
import math

import pytest

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable
from tensorlib.vision import models

# Of 1000 classes, as published with the checkpoints.
PARAMETERS = {
    "alexnet": 61100840, "vgg11": 132863336, "vgg13": 133047848, "vgg16": 138357544, "vgg19": 143667240,
    "vgg11_bn": 132868840, "vgg13_bn": 133053736, "vgg16_bn": 138365992, "vgg19_bn": 143678248,
    "resnet18": 11689512, "resnet34": 21797672, "resnet50": 25557032, "resnet101": 44549160, "resnet152": 60192808,
    "squeezenet1_0": 1248424, "squeezenet1_1": 1235496,
    "densenet121": 7978856, "densenet169": 14149480, "densenet201": 20013928, "densenet161": 28681000,
    "inception_v3": 27161264,
}
# Some names of each checkpoint: first, last, and the odd ones.
KEYS = {
    "alexnet": {"features.0.weight": (64, 3, 11, 11), "features.10.bias": (256,), "classifier.1.weight": (4096, 9216),
                "classifier.6.bias": (1000,)},
    "vgg11": {"features.0.weight": (64, 3, 3, 3), "features.18.bias": (512,), "classifier.0.weight": (4096, 25088),
              "classifier.3.bias": (4096,), "classifier.6.weight": (1000, 4096)},
    "vgg11_bn": {"features.1.running_mean": (64,), "features.25.weight": (512, 512, 3, 3), "features.26.bias": (512,)},
    "resnet18": {"conv1.weight": (64, 3, 7, 7), "layer1.0.bn2.running_var": (64,), "fc.bias": (1000,),
                 "layer2.0.downsample.0.weight": (128, 64, 1, 1), "layer4.1.conv2.weight": (512, 512, 3, 3)},
    "resnet50": {"layer1.0.conv3.weight": (256, 64, 1, 1), "layer1.0.downsample.1.running_mean": (256,),
                 "layer3.5.bn3.bias": (1024,), "fc.weight": (1000, 2048)},
    "squeezenet1_0": {"features.0.weight": (96, 3, 7, 7), "features.3.squeeze.weight": (16, 96, 1, 1),
                      "features.7.expand1x1.bias": (128,), "features.12.expand3x3.weight": (256, 64, 3, 3),
                      "classifier.1.bias": (1000,)},
    "squeezenet1_1": {"features.0.weight": (64, 3, 3, 3), "features.3.squeeze.bias": (16,),
                      "features.6.squeeze.bias": (32,), "features.12.expand3x3.bias": (256,)},
    "densenet121": {"features.conv0.weight": (64, 3, 7, 7), "features.denseblock1.denselayer1.norm.1.weight": (64,),
                    "features.denseblock1.denselayer6.conv.2.weight": (32, 128, 3, 3),
                    "features.transition3.conv.weight": (512, 1024, 1, 1), "features.norm5.running_var": (1024,),
                    "classifier.weight": (1000, 1024)},
    "inception_v3": {"Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3), "Conv2d_4a_3x3.bn.running_mean": (192,),
                     "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
                     "Mixed_6b.branch7x7dbl_5.conv.weight": (192, 128, 1, 7),
                     "AuxLogits.conv1.conv.weight": (768, 128, 5, 5), "AuxLogits.fc.weight": (1000, 768),
                     "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1), "fc.weight": (1000, 2048)},
}


@pytest.fixture
def quick(monkeypatch):
    """Leave weights unset: to count them and read their names they need no values."""
    unset = lambda tensor, *args, **kwargs: tensor
    monkeypatch.setattr(nn.Conv2d, "reset_parameters", lambda self: None)
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda self: None)
    monkeypatch.setattr(models.inception, "_truncated_normal", unset)
    monkeypatch.setattr(models.vgg, "_initialise", unset)
    monkeypatch.setattr(models.resnet, "he_normal", unset)
    monkeypatch.setattr(nn.init, "kaiming_uniform", unset)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_numbers_of_parameters_and_names(name, quick):
    model = getattr(models, name)()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    state = model.state_dict()
    for key, size in KEYS.get(name, {}).items():
        assert state[key].size() == size, key


def test_all_are_tested():
    builders = [name for name in models.__all__ if name[0].islower()]
    assert sorted(builders) == sorted(PARAMETERS)


def run(model, side=224, count=1):
    tensorlib.manual_seed(0)
    output = model(Variable(tensorlib.randn(count, 3, side, side)))
    parts = output if isinstance(output, tuple) else (output,)
    sum(part.pow(2).sum() for part in parts).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.data.eq(parameter.grad.data).all(), key
    return output


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "squeezenet1_0", "squeezenet1_1"])
def test_forward_and_backward(name):
    output = run(getattr(models, name)(num_classes=7), count=2)
    assert output.size() == (2, 7)


def small_vgg():
    """With few channels, and one fully connected layer for three."""
    features = models.vgg.make_layers([8, "M", 8, "M", 16, "M", 16, "M", 512, "M"], batch_norm=True)
    model = models.VGG(features, init_weights=False)
    model.classifier = nn.Linear(512 * 7 * 7, 7)
    return model


@pytest.mark.parametrize("build, side", [
    (lambda: models.DenseNet(growth_rate=8, block_config=(2, 3, 2, 2), num_init_features=16, drop_rate=0.2,
                             num_classes=7), 224),
    (small_vgg, 224),
    (lambda: models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], num_classes=7), 224)],
    ids=["densenet", "vgg_bn", "bottleneck"])
def test_small_ones_of_each_kind(build, side):
    assert run(build(), side).size() == (1, 7)


@pytest.mark.slow
def test_inception():
    """In training a pair; in inference one output, the same with images of either normalisation."""
    tensorlib.manual_seed(1)
    model = models.inception_v3(num_classes=7)
    output, aux = run(model, 299, count=2)
    assert output.size() == (2, 7) and aux.size() == (2, 7)
    model.eval()
    mean = Variable(tensorlib.Tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
    std = Variable(tensorlib.Tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
    image = Variable(tensorlib.rand(1, 3, 299, 299))
    expected = model((image - 0.5) / 0.5)
    model.transform_input = True
    found = model((image - mean) / std)
    assert found.size() == (1, 7) and (found - expected).data.abs().max() <= 1e-3 * expected.data.abs().max()
    assert "AuxLogits.fc.bias" not in models.Inception3(aux_logits=False, num_classes=2).state_dict()


def test_initialisation():
    """He et al.: the deviation of a convolution's weights is sqrt(2 / (kernel * outputs))."""
    tensorlib.manual_seed(2)
    weight = models.resnet18(num_classes=2).layer4[0].conv1.weight.data
    assert weight.std() == pytest.approx(math.sqrt(2 / (9 * 512)), rel=0.02)
    tensor = tensorlib.Tensor(100000)
    models.inception._truncated_normal(tensor, 0.1)
    assert tensor.abs().max() <= 0.2 and tensor.std() == pytest.approx(0.1 * 0.8796, rel=0.02)


def test_bottleneck_against_pytorch():
    torch = pytest.importorskip("torch")
    tensorlib.manual_seed(3)
    block = models.resnet.Bottleneck(8, 4, stride=2, downsample=nn.Sequential(nn.Conv2d(8, 16, 1, 2, bias=False),
                                                                             nn.BatchNorm2d(16)))
    x = tensorlib.randn(2, 8, 9, 9)
    state = {key: torch.tensor(value.numpy()) for key, value in block.state_dict().items()}
    conv = torch.nn.functional.conv2d

    def norm(v, key):
        return torch.nn.functional.batch_norm(v, None, None, state[key + ".weight"], state[key + ".bias"], True)

    y = torch.tensor(x.numpy())
    out = norm(conv(y, state["conv1.weight"]), "bn1").relu()
    out = norm(conv(out, state["conv2.weight"], stride=2, padding=1), "bn2").relu()
    out = norm(conv(out, state["conv3.weight"]), "bn3")
    expected = (out + norm(conv(y, state["downsample.0.weight"], stride=2), "downsample.1")).relu()
    found = block(Variable(x)).data
    assert (found - tensorlib.from_numpy(expected.numpy())).abs().max() < 1e-5


def test_pretrained_asks_for_the_checkpoint(monkeypatch):
    asked = []
    source = models.SqueezeNet(1.1, num_classes=3).state_dict()
    monkeypatch.setattr("tensorlib.utils.model_zoo.load_url", lambda url: asked.append(url) or source)
    model = models.squeezenet1_1(pretrained=True, num_classes=3)
    assert asked == ["https://download.pytorch.org/models/squeezenet1_1-f364aa15.pth"]
    assert model.classifier[1].weight.data.tolist() == source["classifier.1.weight"].tolist()


def test_names_with_dots_are_loaded():
    one, two = (models.DenseNet(4, (2, 2), 8, num_classes=3) for _ in range(2))
    two.load_state_dict(one.state_dict())
    key = "features.denseblock2.denselayer1.conv.2.weight"
    assert two.state_dict()[key].tolist() == one.state_dict()[key].tolist()


def test_errors():
    with pytest.raises(ValueError, match="1.0 or 1.1"):
        models.SqueezeNet(2)
