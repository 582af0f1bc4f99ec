"""Images per second of PyTorch's DistributedDataParallel over gloo on this machine; one JSON line.

Each of --procs processes trains as step.py does, on batches of its own, with --threads threads;
gradients are averaged in buckets while backward runs. Counted are the images of all processes. The
median of the chunks counts.
"""
import argparse
import json
import os
import statistics
import sys
import time

import environment


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", default="lenet5", help="one of nets.py")
    p.add_argument("--batch", type=int, default=64, help="of each process")
    p.add_argument("--procs", type=int, default=2)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--layout", choices=("default", "channels_last"), default="default")
    p.add_argument("--samples", type=int, default=4096)
    p.add_argument("--steps", type=int, default=50, help="of a chunk")
    p.add_argument("--chunks", type=int, default=5)
    p.add_argument("--port", type=int, default=29571)
    return p.parse_args()


def train(rank, args):
    import torch
    from torch import distributed
    from torch.nn import functional as F

    import nets
    import step as single

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(args.port))
    torch.set_num_threads(args.threads)
    distributed.init_process_group("gloo", rank=rank, world_size=args.procs)
    layout = torch.channels_last if args.layout == "channels_last" else torch.contiguous_format
    net = nets.build(args.model).to(memory_format=layout).train()
    torch.manual_seed(rank)
    net = torch.nn.parallel.DistributedDataParallel(net, gradient_as_bucket_view=True)
    sgd = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    source = single.batches(torch, args, nets.shape(args.model), layout)
    rates = []
    for _ in range(args.chunks + 1):
        distributed.barrier()
        begin = time.perf_counter()
        for _ in range(args.steps):
            x, y = next(source)
            sgd.zero_grad(set_to_none=False)
            F.cross_entropy(net(x), y).backward()
            sgd.step()
        distributed.barrier()
        rates.append(args.steps * args.batch * args.procs / (time.perf_counter() - begin))
    if rank == 0:
        print(json.dumps({"program": "pytorch " + torch.__version__, "model": args.model,
                          "batch": args.batch, "procs": args.procs, "threads": args.threads,
                          "layout": args.layout,
                          "img_s": round(statistics.median(rates[1:]), 1)}), flush=True)
    distributed.destroy_process_group()


def main():
    args = arguments()
    if environment.missing():
        os.environ.update(environment.tuned())
        os.execv(sys.executable, [sys.executable] + sys.argv)
    from torch import multiprocessing
    multiprocessing.spawn(train, (args,), nprocs=args.procs)


if __name__ == "__main__":
    main()
