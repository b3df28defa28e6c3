#include "stages/functional/distortion.hpp"

#include "stages/core/error.hpp"

namespace boldmill::distortion {

Outputs run(const Inputs& inputs, const Params& /*params*/, const Context& context) {
  if (inputs.field_hz == nullptr) throw Error(ErrorKind::internal, "distortion: no field");
  return from_field(*inputs.field_hz, inputs.bold, inputs.encoding, inputs.bold_to_field, context);
}

std::size_t peak_bytes(const Shape& shape, const Params& /*params*/) {
  return shape.n_field_voxels * sizeof(float) + shape.n_voxels * 2 * sizeof(float);
}

} // namespace boldmill::distortion
