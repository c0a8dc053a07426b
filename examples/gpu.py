"""Work on a GPU, where there is one; says plainly when there is none.

    python examples/gpu.py
"""
import tensorlib

tensorlib.manual_seed(42)               # seeds the GPUs too

if not tensorlib.cuda.is_available():
    print("There is no GPU that can be used here, so everything runs on the CPU.")
    try:
        tensorlib.randn(2).cuda()
    except AssertionError as error:
        print("A tensor cannot be moved: %s" % error)
else:
    tensorlib.cuda.manual_seed_all(42)
    count = tensorlib.cuda.device_count()
    print("GPUs: %d" % count)
    cpu_tensor = tensorlib.randn(2, 3)
    gpu_tensor = cpu_tensor.cuda()
    print("moved to the GPU and back, unchanged: %s" % bool((gpu_tensor.cpu() == cpu_tensor).all()))
    tensorlib.cuda.set_device(0)
    last = count - 1
    with tensorlib.cuda.device(last):
        a = tensorlib.cuda.FloatTensor(1)
        print("made on GPU %d" % a.get_device())
        d = tensorlib.randn(2).cuda(0)
        print("moved to GPU %d" % d.get_device())
