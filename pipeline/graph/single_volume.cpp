#include "pipeline/graph/single_volume.hpp"

#include "pipeline/image_io/nifti.hpp"
#include "stages/functional/boldref.hpp"

namespace boldmill::graph {

Volume single_volume(const Study& study, const bids::BidsFile& file, const Context& context) {
  const auto path = study.index.absolute(file);
  if (image_io::read_header(path).n_volumes < 2) {
    return image_io::read_volume(path, {.nonfinite_to_zero = true});
  }
  const Series series = image_io::read_series(path, context, {.nonfinite_to_zero = true});
  return boldref::run({series, 0}, study.config.boldref, context).reference;
}

} // namespace boldmill::graph
