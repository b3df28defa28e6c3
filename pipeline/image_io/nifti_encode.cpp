#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "pipeline/image_io/nifti_header.hpp"

namespace boldmill::image_io {
namespace {

class Bytes {
public:
  explicit Bytes(std::size_t n) : bytes_(n) {}
  template <class T>
  void put(std::size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof(T));
  }
  void text(std::size_t offset, const std::string& value, std::size_t room) {
    std::memcpy(bytes_.data() + offset, value.data(), std::min(value.size(), room));
  }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

private:
  std::vector<std::byte> bytes_;
};

int bits_of(Datatype type) {
  switch (type) {
  case Datatype::uint8:
  case Datatype::int8: return 8;
  case Datatype::int16:
  case Datatype::uint16: return 16;
  case Datatype::int32:
  case Datatype::uint32:
  case Datatype::float32: return 32;
  default: return 64;
  }
}

// The quaternion form of an affine without shear; false when it has shear.
bool fill_qform(const Grid& grid, RawHeader& raw) {
  const Eigen::Vector3d mm = grid.spacing_mm();
  Eigen::Matrix3d rotation = grid.affine.topLeftCorner<3, 3>() * mm.cwiseInverse().asDiagonal();
  if (!((rotation.transpose() * rotation - Eigen::Matrix3d::Identity()).cwiseAbs().maxCoeff() <
        1e-5)) {
    return false;
  }
  raw.pixdim[0] = 1.0;
  if (rotation.determinant() < 0.0) {
    raw.pixdim[0] = -1.0;
    rotation.col(2) *= -1.0;
  }
  Eigen::Quaterniond q(rotation);
  q.normalize();
  if (q.w() < 0.0) q.coeffs() *= -1.0;
  raw.quaternion[0] = q.x();
  raw.quaternion[1] = q.y();
  raw.quaternion[2] = q.z();
  for (int axis = 0; axis < 3; ++axis) raw.qoffset[axis] = grid.affine(axis, 3);
  return true;
}

RawHeader describe(const Grid& grid, int n_volumes, double tr_s, Datatype type,
                   const WriteOptions& options) {
  RawHeader raw;
  raw.dim[0] = n_volumes == 0 ? 3 : 4;
  for (std::size_t i = 0; i < 3; ++i) raw.dim[i + 1] = grid.shape[i];
  raw.dim[4] = std::max(1, n_volumes);
  raw.dim[5] = raw.dim[6] = raw.dim[7] = 1;
  raw.version = std::any_of(raw.dim, raw.dim + 8, [](std::int64_t n) { return n > 32767; }) ? 2 : 1;
  raw.datatype = static_cast<int>(type);
  raw.bitpix = bits_of(type);
  raw.slope = options.slope;
  raw.inter = options.inter;
  const Eigen::Vector3d mm = grid.spacing_mm();
  raw.pixdim[0] = 1.0;
  for (int axis = 0; axis < 3; ++axis) raw.pixdim[axis + 1] = mm[axis];
  const bool timed = n_volumes > 0 && std::isfinite(tr_s) && tr_s > 0.0;
  raw.pixdim[4] = timed ? tr_s : 0.0;
  raw.units = timed ? 2 | 8 : 2; // mm, seconds
  raw.sform_code = options.space_code;
  raw.qform_code = fill_qform(grid, raw) ? options.space_code : 0;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 4; ++column)
      raw.srow[4 * row + column] = grid.affine(row, column);
  }
  return raw;
}

template <class T, class F>
void put_arrays(Bytes& out, const RawHeader& raw, std::size_t dim, std::size_t pixdim,
                std::size_t quaternion, std::size_t srow) {
  for (std::size_t i = 0; i < 8; ++i) {
    out.put(dim + i * sizeof(T), static_cast<T>(raw.dim[i]));
    out.put(pixdim + i * sizeof(F), static_cast<F>(raw.pixdim[i]));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    out.put(quaternion + i * sizeof(F), static_cast<F>(raw.quaternion[i]));
    out.put(quaternion + (3 + i) * sizeof(F), static_cast<F>(raw.qoffset[i]));
  }
  for (std::size_t i = 0; i < 12; ++i) {
    out.put(srow + i * sizeof(F), static_cast<F>(raw.srow[i]));
  }
}

std::vector<std::byte> encode1(const RawHeader& raw, const std::string& description) {
  Bytes out(352);
  put_arrays<std::int16_t, float>(out, raw, 40, 76, 256, 280);
  out.put<std::int32_t>(0, 348);
  out.put(70, static_cast<std::int16_t>(raw.datatype));
  out.put(72, static_cast<std::int16_t>(raw.bitpix));
  out.put(108, 352.0F);
  out.put(112, static_cast<float>(raw.slope));
  out.put(116, static_cast<float>(raw.inter));
  out.put(123, static_cast<std::uint8_t>(raw.units));
  out.text(148, description, 79);
  out.put(252, static_cast<std::int16_t>(raw.qform_code));
  out.put(254, static_cast<std::int16_t>(raw.sform_code));
  out.text(344, "n+1", 3);
  return out.take();
}

std::vector<std::byte> encode2(const RawHeader& raw, const std::string& description) {
  Bytes out(544);
  put_arrays<std::int64_t, double>(out, raw, 16, 104, 352, 400);
  out.put<std::int32_t>(0, 540);
  out.text(4, std::string("n+2\0\r\n\032\n", 8), 8);
  out.put(12, static_cast<std::int16_t>(raw.datatype));
  out.put(14, static_cast<std::int16_t>(raw.bitpix));
  out.put<std::int64_t>(168, 544);
  out.put(176, raw.slope);
  out.put(184, raw.inter);
  out.text(240, description, 79);
  out.put(344, static_cast<std::int32_t>(raw.qform_code));
  out.put(348, static_cast<std::int32_t>(raw.sform_code));
  out.put(500, static_cast<std::int32_t>(raw.units));
  return out.take();
}

} // namespace

std::vector<std::byte> encode(const Grid& grid, int n_volumes, double tr_s, Datatype type,
                              const WriteOptions& options) {
  const RawHeader raw = describe(grid, n_volumes, tr_s, type, options);
  return raw.version == 1 ? encode1(raw, options.description) : encode2(raw, options.description);
}

} // namespace boldmill::image_io
