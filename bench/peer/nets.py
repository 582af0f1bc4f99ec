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


MODELS = {"lenet5": LeNet5, "cnn1": Cnn1, "mnistnet": MnistNet}
INPUT = (1, 28, 28)
CLASSES = 10


def build(name, dropout=True):
    torch.manual_seed(1)
    return MODELS[name](dropout)
