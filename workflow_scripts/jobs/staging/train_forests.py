"""Rule train_forests: random forests that tell the class of a lymph node, cross-validated."""

from microtome.logs import start_log
from microtome.staging.forest_step import train

start_log(snakemake.log[0])
train(
    snakemake.input.table,
    annotated=snakemake.params.annotated,
    spacing_um=snakemake.params.spacing_um,
    trees=snakemake.params.trees,
    draws=snakemake.params.draws,
    min_leaf=snakemake.params.min_leaf,
    max_features=snakemake.params.max_features,
    folds=snakemake.params.folds,
    seed=snakemake.params.seed,
    forests=snakemake.output.forests,
    cross_validation=snakemake.output.cross_validation,
    validation=snakemake.output.validation,
    importances=snakemake.output.importances,
)
