"""How noise becomes data: schedules, denoisers, objectives and samplers on one affine path."""
