"""Training: one optimiser loop for every model.

The loop is handed its data as an object, so it knows no files:

    from cloudchamber.data.split import split
    from cloudchamber.data.stream import ShardStream, validation_batches
    from cloudchamber.train.config import TrainingConfig
    from cloudchamber.train.trainer import train
    from cloudchamber.train.checkpoint import averaged_weights

    parts = split(Path("data/train"))                      # parts.train, parts.validation: lists of Shard
    stream = ShardStream(parts.train, encode, batch_size=256, seed=1, cache_bytes=6 * 2**30)
    held_out = validation_batches(parts.validation, encode, batch_size=256, limit=20_000)
    config = TrainingConfig(learning_rate=1.5e-3, max_time=5400.0, schedule="time", precision="auto")
    result = train(model, stream, held_out, config, Path("runs/a"), resume=False)
    model.load_state_dict(averaged_weights(result.checkpoint))

`encode(events) -> Batch | Bundle` is called once for each shard, in a background thread, and must be a pure
function. The model is a `cloudchamber.models.base.Trainable`: `losses(rows, rng) -> {name: (B,)}`, optionally
`parts() -> {name: module}`. The folder then holds `last.pt` (resumes exactly), `log.csv`, `tensorboard/` and,
with `snapshot_minutes`, averaged weights `ema-<step>.safetensors`. `torchrun --nproc-per-node N` needs no
other code.
"""
