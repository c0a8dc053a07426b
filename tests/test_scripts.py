"""Trainings as scripts of 2017 wrote them, with the idioms of that time; each learns what it should in a few steps."""
import random

import pytest

import tensorlib as torch
from tensorlib import nn, optim
from tensorlib.autograd import Variable, backward, grad
from tensorlib.nn import functional as F


class LanguageModel(nn.Module):
    def __init__(self, kind, words, size, layers):
        super(LanguageModel, self).__init__()
        self.drop = nn.Dropout(0.1)
        self.encoder = nn.Embedding(words, size)
        self.rnn = getattr(nn, kind)(size, size, layers, dropout=0.1)
        self.decoder = nn.Linear(size, words)
        self.decoder.weight = self.encoder.weight       # tied
        self.encoder.weight.data.uniform_(-0.5, 0.5)
        self.decoder.bias.data.fill_(0)
        self.kind, self.size, self.layers = kind, size, layers

    def forward(self, input, hidden):
        output, hidden = self.rnn(self.drop(self.encoder(input)), hidden)
        output = self.drop(output)
        decoded = self.decoder(output.view(output.size(0) * output.size(1), output.size(2)))
        return decoded.view(output.size(0), output.size(1), decoded.size(1)), hidden

    def init_hidden(self, batch):
        weight = next(self.parameters()).data
        first = Variable(weight.new(self.layers, batch, self.size).zero_())
        return (first, Variable(first.data.clone())) if self.kind == "LSTM" else first


def repackage_hidden(h):
    """The same values without history."""
    return Variable(h.data) if type(h) == Variable else tuple(repackage_hidden(v) for v in h)  # noqa: E721


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_word_language_model(kind, tmp_path):
    torch.manual_seed(1)
    text = torch.arange(0, 7).long().repeat(60).view(6, -1).t().contiguous()      # words that follow one another
    model, criterion, losses = LanguageModel(kind, 7, 16, 2), nn.CrossEntropyLoss(), []
    hidden = model.init_hidden(6)
    for i in list(range(0, 63, 7)) * 40:
        data, target = Variable(text[i:i + 7]), Variable(text[i + 1:i + 8].view(-1))
        hidden = repackage_hidden(hidden)
        model.zero_grad()
        output, hidden = model(data, hidden)
        loss = criterion(output.view(-1, 7), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm(model.parameters(), 0.5)
        for p in model.parameters():
            p.data.add_(-3, p.grad.data)
        losses.append(loss.data[0])
    assert losses[0] > 1.8 and losses[-1] < 0.5
    model.eval()
    torch.save(model, str(tmp_path / "model.pt"))
    again = torch.load(str(tmp_path / "model.pt"))
    assert again.decoder.weight is again.encoder.weight
    for m in (model, again):
        output, hidden = m(Variable(text[:7], volatile=True), m.init_hidden(6))
        assert output.volatile and not output.requires_grad and output.grad_fn is None
        assert output.data.max(2)[1][4:].equal(text[5:8])        # the first words tell where in the text it is
    word = torch.multinomial(output[0, 0].data.exp(), 1)[0]
    assert isinstance(word, int) and 0 <= word < 7


def test_actor_critic_on_a_bandit():
    torch.manual_seed(0)
    body, action_head, value_head = nn.Linear(1, 16), nn.Linear(16, 2), nn.Linear(16, 1)
    model = nn.ModuleList([body, action_head, value_head])
    optimizer = optim.Adam(model.parameters(), lr=0.03)
    for _ in range(60):
        saved, rewards = [], []
        for _ in range(8):
            h = F.relu(body(Variable(torch.ones(1, 1))))
            action, value = F.softmax(action_head(h)).multinomial(), value_head(h)
            saved.append((action, value))
            rewards.append(1.0 if action.data[0, 0] == 1 else 0.0)
        value_loss = 0
        for (action, value), r in zip(saved, rewards):
            action.reinforce(r - value.data[0, 0])
            value_loss += F.smooth_l1_loss(value, Variable(torch.Tensor([r])))
        optimizer.zero_grad()
        backward([value_loss] + [a for a, _ in saved], [torch.ones(1)] + [None] * len(saved))
        optimizer.step()
    assert F.softmax(action_head(F.relu(body(Variable(torch.ones(1, 1)))))).data[0, 1] > 0.9


def test_q_learning_with_volatile_targets():
    random.seed(0)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = optim.RMSprop(model.parameters(), lr=0.01)
    places = torch.eye(3)
    for _ in range(150):            # from place 0 by action 1 to place 1, and on to the end with a reward of 1
        batch = [(p, a, p + 1 if a == 1 and p < 1 else None, 1.0 if p == 1 and a == 1 else 0.0)
                 for p, a in [(random.randint(0, 1), random.randint(0, 1)) for _ in range(8)]]
        state, action, following, reward = zip(*batch)
        going_on = torch.ByteTensor(tuple(map(lambda s: s is not None, following)))
        q = model(Variable(places[torch.LongTensor(state)])).gather(1, Variable(torch.LongTensor(action).view(-1, 1)))
        values = Variable(torch.zeros(8))
        if going_on.any():
            ahead = Variable(places[torch.LongTensor([s for s in following if s is not None])], volatile=True)
            values[going_on] = model(ahead).max(1)[0]
            assert values.volatile
        values.volatile = False
        loss = F.smooth_l1_loss(q, values * 0.5 + Variable(torch.Tensor(reward)))
        optimizer.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.grad.data.clamp_(-1, 1)
        optimizer.step()
    q = model(Variable(places, volatile=True)).data
    assert abs(q[1, 1] - 1) < 0.2 and abs(q[0, 1] - 0.5) < 0.2 and abs(q[0, 0]) < 0.2


def test_gradient_penalty():
    """The critic of a WGAN-GP: its slope between the two sets comes near 1."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.Adam(critic.parameters(), lr=0.01, betas=(0.5, 0.9))
    one = torch.FloatTensor([1])
    for _ in range(80):
        real, fake = torch.randn(16, 2) + 2, torch.randn(16, 2) - 2
        critic.zero_grad()
        critic(Variable(real)).mean().backward(one * -1)
        critic(Variable(fake)).mean().backward(one)
        alpha = torch.rand(16, 1).expand(real.size())
        between = Variable(alpha * real + (1 - alpha) * fake, requires_grad=True)
        score = critic(between)
        slopes = grad(outputs=score, inputs=between, grad_outputs=torch.ones(score.size()), create_graph=True,
                      retain_graph=True, only_inputs=True)[0]
        (((slopes.norm(2, dim=1) - 1) ** 2).mean() * 10).backward()
        optimizer.step()
    assert critic(Variable(real)).mean().data[0] > critic(Variable(fake)).mean().data[0] + 1
    assert 0.6 < slopes.norm(2, dim=1).mean().data[0] < 1.4
