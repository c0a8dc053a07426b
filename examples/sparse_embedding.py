"""Word vectors with sparse gradients: a step costs what was looked up, not what the table holds.

Words stand on a ring; each is trained to foretell its neighbours, so that words near each other on the ring get
vectors that are near each other.
"""
import tensorlib as torch
from tensorlib import nn, optim
from tensorlib.autograd import Variable

WORDS, SIZE, BATCH = 50000, 16, 128
USED = 40                                       # the words that occur

torch.manual_seed(0)
words = nn.Embedding(WORDS, SIZE, sparse=True)
contexts = nn.Embedding(WORDS, SIZE, sparse=True)
words.weight.data.mul_(0.1)
contexts.weight.data.mul_(0.1)
optimizer = optim.Adagrad(list(words.parameters()) + list(contexts.parameters()), lr=0.1)

for step in range(1, 301):
    word = torch.LongTensor(BATCH).random_(0, USED)
    near = (word + 1 + torch.LongTensor(BATCH).random_(0, 2)) % USED
    far = torch.LongTensor(BATCH).random_(0, USED)
    vectors = words(Variable(word))
    right = (vectors * contexts(Variable(near))).sum(1)
    wrong = (vectors * contexts(Variable(far))).sum(1)
    loss = -(right.sigmoid() + 1e-6).log().mean() - (1 - wrong.sigmoid() + 1e-6).log().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 1:
        grad = words.weight.grad.data
        print("the gradient is a %s with %d rows of %d" % (grad.type(), grad._nnz(), WORDS))
    if step % 100 == 0:
        print("step %d: loss %.3f" % (step, loss.data[0]))

table = words.weight.data[:USED]
table = table / table.norm(2, 1, True).expand_as(table)
likeness = table.mm(table.t())
next_to = sum(likeness[i, (i + 1) % USED] for i in range(USED)) / USED
across = sum(likeness[i, (i + USED // 2) % USED] for i in range(USED)) / USED
print("likeness of words next to each other: %.2f, of words across the ring: %.2f" % (next_to, across))
print("neighbours are alike, others are not: %s" % (next_to > across + 0.3))
