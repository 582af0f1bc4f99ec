"""The built-in models of cohort as PyTorch modules, for the benchmark and the golden values.

Parameters have cohort's names, shapes and order; forward() returns raw logits. `dropout`
switches the dropout layers on or off (the golden values need a network without chance).
"""
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


class Block(nn.Module):
    """A residual block: kernels [3, 3], or [1, 3, 1] that widens by 4; the stride is the 3x3's."""

    def __init__(self, channels, width, kernels, stride):
        super().__init__()
        out = width * 4 if len(kernels) == 3 else width
        strided = kernels.index(3)
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        last = channels
        for i, kernel in enumerate(kernels):
            to = out if i == len(kernels) - 1 else width
            self.convs.append(nn.Conv2d(last, to, kernel, stride if i == strided else 1,
                                        kernel // 2, bias=False))
            self.norms.append(nn.BatchNorm2d(to))
            last = to
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False),
                                          nn.BatchNorm2d(out))

    def forward(self, x):
        y = x
        for conv, norm in zip(self.convs, self.norms):
            y = norm(conv(y))
            if conv is not self.convs[-1]:
                y = F.relu(y, inplace=True)
        return F.relu(y + self.shortcut(x), inplace=True)


class ResNet(nn.Module):
    """He et al. 2016; the stem is CIFAR's (3x3) or ImageNet's (7x7 stride 2, max pool)."""

    def __init__(self, blocks, kernels, imagenet, classes):
        super().__init__()
        self.imagenet = imagenet
        self.conv = nn.Conv2d(3, 64, 7, 2, 3, bias=False) if imagenet else \
            nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(64)
        channels, stages = 64, []
        for stage, count in enumerate(blocks):
            width = 64 << stage
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                stages.append(Block(channels, width, kernels, stride))
                channels = width * 4 if len(kernels) == 3 else width
        self.blocks = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)), inplace=True)
        if self.imagenet:
            x = F.max_pool2d(x, 3, 2, 1)
        return self.fc(F.adaptive_avg_pool2d(self.blocks(x), 1).flatten(1))


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


def resnet18(dropout=True):
    return ResNet((2, 2, 2, 2), (3, 3), False, 10)


def resnet50(dropout=True):
    return ResNet((3, 4, 6, 3), (1, 3, 1), True, 200)


MODELS = {"lenet5": LeNet5, "cnn1": Cnn1, "mnistnet": MnistNet, "resnet18": resnet18,
          "resnet50": resnet50, "candlenet": CandleNet}
# channels, height, width, classes; the others are for MNIST
SHAPES = {"resnet18": (3, 32, 32, 10), "resnet50": (3, 64, 64, 200),
          "candlenet": (1, 1, 60483, 2)}


def shape(name):
    return SHAPES.get(name, (1, 28, 28, 10))


def build(name, dropout=True):
    torch.manual_seed(1)
    return MODELS[name](dropout)
