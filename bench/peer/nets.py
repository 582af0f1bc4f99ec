"""The built-in models of cohort as PyTorch modules, for the benchmark and the golden values.

Parameters have cohort's names, shapes and order; forward() returns raw logits. `dropout`
switches the dropout layers on or off (the golden values need a network without chance). The
residual networks of true depth are torchvision's own; the others are written out here.
"""
import functools

import torch
from torch import nn
from torch.nn import functional as F


class LeNet5(nn.Module):
    def __init__(self, dropout=True):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class Cnn1(nn.Module):
    """No ReLU between the second convolution and its pooling."""

    def __init__(self, dropout=True):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3)
        self.fc1 = nn.Linear(64 * 12 * 12, 128)
        self.fc2 = nn.Linear(128, 10)
        self.drop1 = nn.Dropout(0.25 if dropout else 0.0)
        self.drop2 = nn.Dropout(0.5 if dropout else 0.0)

    def forward(self, x):
        x = self.conv2(F.relu(self.conv1(x)))
        x = self.drop1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(self.drop2(x))


class MnistNet(nn.Module):
    """Pools before the ReLU; the second convolution's dropout drops whole channels."""

    def __init__(self, dropout=True):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3)
        self.fc1 = nn.Linear(64 * 5 * 5, 50)
        self.fc2 = nn.Linear(50, 10)
        self.drop1 = nn.Dropout2d(0.5 if dropout else 0.0)
        self.drop2 = nn.Dropout(0.5 if dropout else 0.0)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.drop1(self.conv2(x)), 2))
        x = self.fc1(x.flatten(1))
        return self.fc2(self.drop2(F.relu(x)))


def conv_norm_relu(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                         nn.BatchNorm2d(outputs), nn.ReLU())


class Residual(nn.Module):
    """x + f(x), with no ReLU after the sum."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = conv_norm_relu(channels, channels)
        self.conv2 = conv_norm_relu(channels, channels)

    def forward(self, x):
        return self.conv2(self.conv1(x)) + x


class FastResNet(nn.Module):
    """David Page's ResNet-9."""

    def __init__(self, width=64, classes=10):
        super().__init__()
        self.prep = conv_norm_relu(3, width)
        self.layer1 = nn.Sequential(conv_norm_relu(width, 2 * width), nn.MaxPool2d(2),
                                    Residual(2 * width))
        self.layer2 = nn.Sequential(conv_norm_relu(2 * width, 4 * width), nn.MaxPool2d(2))
        self.layer3 = nn.Sequential(conv_norm_relu(4 * width, 8 * width), nn.MaxPool2d(2),
                                    Residual(8 * width))
        self.classifier = nn.Linear(8 * width, classes, bias=False)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.prep(x))))
        return self.classifier(F.adaptive_max_pool2d(x, 1).flatten(1)) * 0.125


class S1Block(nn.Module):
    """Two 3x3 convolutions, or a bottleneck that does not widen."""

    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        kernels = ((1, 1), (3, stride), (1, 1)) if bottleneck else ((3, stride), (3, 1))
        self.parts = len(kernels)
        channels = inputs
        for i, (kernel, step) in enumerate(kernels, 1):
            self.add_module(f"conv{i}", nn.Conv2d(channels, width, kernel, step, kernel // 2,
                                                  bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(width))
            channels = width
        self.downsample = None
        if stride != 1 or inputs != width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False),
                                            nn.BatchNorm2d(width))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        for i in range(1, self.parts + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            x = F.relu(x) if i < self.parts else x
        return F.relu(x + shortcut)


class ResNetS1(nn.Module):
    """S1's network for small images: three stages of two blocks whatever the depth says."""

    def __init__(self, depth=50, classes=10):
        super().__init__()
        width = {18: 20, 34: 40}.get(depth, 64)
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for stage in range(3):
            blocks = []
            for i in range(2):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(S1Block(channels, width << stage, stride, depth >= 50))
                channels = width << stage
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def resnet(depth=18, stem="cifar", classes=10, **settings):
    """torchvision's; with the stem for small images a 3x3 convolution and no pooling."""
    from torchvision import models
    net = getattr(models, f"resnet{depth}")(num_classes=classes, **settings)
    if stem == "cifar":
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    return net


def resnet18_keras(classes=10):
    """torchvision's with Keras' batch norm, and biases."""
    norm = functools.partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
    net = resnet(18, classes=classes, norm_layer=norm)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
    return net


class CandleNet(nn.Module):
    """NT3; its pool of width 1 is left out, as in cohort's."""

    def __init__(self, dropout=True):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 128, 20)
        self.conv2 = nn.Conv1d(128, 128, 10)
        self.fc1 = nn.Linear(773760, 200)
        self.fc2 = nn.Linear(200, 20)
        self.fc3 = nn.Linear(20, 2)
        self.drop = nn.Dropout(0.1 if dropout else 0.0)

    def forward(self, x):
        x = F.relu(self.conv1(x.flatten(2)))
        x = F.max_pool1d(F.relu(self.conv2(x)), 10)
        x = self.drop(F.relu(self.fc1(x.flatten(1))))
        return self.fc3(F.relu(self.fc2(x)))


MODELS = {"lenet5": LeNet5, "cnn1": Cnn1, "mnistnet": MnistNet, "candlenet": CandleNet}
IMAGE_MODELS = {"resnet": resnet, "resnet-s1": ResNetS1, "resnet18-keras": resnet18_keras,
                "fastresnet": FastResNet}
# Of the benchmark: network, settings, and (channels, height, width, classes); others are for MNIST.
BENCH = {"resnet18": ("resnet", {"depth": 18}), "resnet50": ("resnet", {
    "depth": 50, "stem": "imagenet", "classes": 200})}
SHAPES = {"resnet18": (3, 32, 32, 10), "resnet50": (3, 64, 64, 200),
          "fastresnet": (3, 32, 32, 10), "candlenet": (1, 1, 60483, 2)}


def shape(name):
    return SHAPES.get(name, (1, 28, 28, 10))


def build(name, dropout=True, **config):
    """config: of the residual networks, as in --model-config; and classes."""
    torch.manual_seed(1)
    if name in BENCH:
        name, config = BENCH[name]
    if name in IMAGE_MODELS:
        return IMAGE_MODELS[name](**config)
    return MODELS[name](dropout)
