"""Rule compare_autoencoders: table and figures of what the autoencoders of a run reconstruct."""

from microtome.compression.comparison import read_reconstructions
from microtome.compression.figure import draw_latents, draw_reconstructions
from microtome.io.tables import write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
found = read_reconstructions(snakemake.params.autoencoders, snakemake.input.patches)
write_table(snakemake.output.table, [one.row for one in found])
draw_reconstructions(snakemake.output.reconstructions, found)
draw_latents(snakemake.output.latents, found)
