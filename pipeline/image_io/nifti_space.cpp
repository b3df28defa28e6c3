// Where the voxels are and when: affine and repetition time of a NIfTI header.
#include <Eigen/Geometry>
#include <cmath>
#include <optional>
#include <sstream>

#include "pipeline/image_io/nifti_header.hpp"

namespace boldmill::image_io {
namespace {

constexpr double kShortestTr = 0.01; // s; outside these a repetition time is not credible
constexpr double kLongestTr = 60.0;

std::string number(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

bool usable(const Eigen::Matrix4d& affine) {
  return affine.allFinite() && std::abs(affine.topLeftCorner<3, 3>().determinant()) > 1e-12;
}

Eigen::Matrix4d sform(const RawHeader& raw) {
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 4; ++column) affine(row, column) = raw.srow[4 * row + column];
  }
  return affine;
}

// pixdim[1..3] as nibabel repairs them: absolute value, 1 for 0.
Eigen::Vector3d spacing(const RawHeader& raw, std::vector<std::string>& notes) {
  Eigen::Vector3d result;
  bool repaired = false;
  for (int axis = 0; axis < 3; ++axis) {
    const double value = raw.pixdim[axis + 1];
    const bool absent = !std::isfinite(value) || value == 0.0;
    result[axis] = absent ? 1.0 : std::abs(value);
    repaired |= absent || value < 0.0;
  }
  if (repaired) notes.push_back("pixdim holds voxel sizes that are zero, negative or not finite");
  return result;
}

std::optional<Eigen::Matrix4d> qform(const RawHeader& raw, const Eigen::Vector3d& mm) {
  const Eigen::Vector3d bcd(raw.quaternion[0], raw.quaternion[1], raw.quaternion[2]);
  const double squared = bcd.squaredNorm();
  if (!(squared < 1.0 + 1e-3)) return std::nullopt; // also NaN
  Eigen::Quaterniond rotation(std::sqrt(std::max(0.0, 1.0 - squared)), bcd[0], bcd[1], bcd[2]);
  rotation.normalize();
  const double handedness = raw.pixdim[0] < 0.0 ? -1.0 : 1.0;
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
  affine.topLeftCorner<3, 3>() =
      rotation.toRotationMatrix() * Eigen::Vector3d(mm[0], mm[1], handedness * mm[2]).asDiagonal();
  for (int axis = 0; axis < 3; ++axis) affine(axis, 3) = raw.qoffset[axis];
  if (!usable(affine)) return std::nullopt;
  return affine;
}

// Metre and micrometre become millimetre, unless that makes voxels of no scanner.
void apply_length_unit(const RawHeader& raw, NiftiHeader& header) {
  const int unit = raw.units & 7;
  if (unit != 1 && unit != 3) return;
  const double factor = unit == 1 ? 1e3 : 1e-3;
  const double scaled = header.grid.spacing_mm().maxCoeff() * factor;
  if (scaled > 0.01 && scaled < 50.0) {
    header.grid.affine.topRows<3>() *= factor;
    header.notes.push_back(std::string("lengths in ") + (unit == 1 ? "metres" : "micrometres") +
                           ", turned into millimetres");
  } else {
    header.notes.push_back("length unit is not credible for these voxel sizes; mm is assumed");
  }
}

} // namespace

void set_affine(const RawHeader& raw, NiftiHeader& header) {
  const Eigen::Vector3d mm = spacing(raw, header.notes);
  const auto q = raw.qform_code > 0 ? qform(raw, mm) : std::nullopt;
  if (raw.qform_code > 0 && !q)
    header.notes.push_back("qform_code > 0 but the qform is not usable");
  if (raw.sform_code > 0 && usable(sform(raw))) {
    header.grid.affine = sform(raw);
    header.affine_source = "sform";
    header.space_code = raw.sform_code;
    Grid other = header.grid;
    if (q) other.affine = *q;
    if (!header.grid.same_as(other, 1.0)) {
      header.notes.push_back("sform and qform differ by more than 1 mm; sform is used");
    }
  } else {
    if (raw.sform_code > 0) header.notes.push_back("sform_code > 0 but the sform is not usable");
    if (q) {
      header.grid.affine = *q;
      header.affine_source = "qform";
      header.space_code = raw.qform_code;
    } else {
      // nibabel's choice: centred, x from right to left, as in Analyze.
      Eigen::Matrix4d affine = Eigen::Matrix4d::Identity();
      for (int axis = 0; axis < 3; ++axis) {
        affine(axis, axis) = axis == 0 ? -mm[axis] : mm[axis];
        affine(axis, 3) =
            -affine(axis, axis) * 0.5 * (header.grid.shape[static_cast<std::size_t>(axis)] - 1);
      }
      header.grid.affine = affine;
      header.affine_source = "pixdim";
      header.space_code = 0;
      header.notes.push_back(
          "neither sform nor qform: orientation unknown, left and right are a guess");
    }
  }
  apply_length_unit(raw, header);
}

void set_repetition_time(const RawHeader& raw, NiftiHeader& header) {
  header.tr_raw = raw.pixdim[4];
  double factor = 1.0;
  bool is_time = true;
  switch (raw.units & 0x38) {
  case 0: header.time_unit = "unknown"; break;
  case 8: header.time_unit = "s"; break;
  case 16:
    header.time_unit = "ms";
    factor = 1e-3;
    break;
  case 24:
    header.time_unit = "us";
    factor = 1e-6;
    break;
  case 32:
    header.time_unit = "hz";
    is_time = false;
    break;
  case 40:
    header.time_unit = "ppm";
    is_time = false;
    break;
  case 48:
    header.time_unit = "rad/s";
    is_time = false;
    break;
  default: break;
  }
  if (header.n_volumes < 2) return;
  if (!is_time || !(header.tr_raw > 0.0) || !std::isfinite(header.tr_raw)) {
    header.notes.push_back("no repetition time in the header: pixdim[4] is " +
                           number(header.tr_raw) + " " + header.time_unit);
    return;
  }
  const double seconds = header.tr_raw * factor;
  if (seconds >= kShortestTr && seconds <= kLongestTr) {
    header.tr_s = seconds;
    if (header.time_unit == "unknown") {
      header.notes.push_back("unit of pixdim[4] = " + number(header.tr_raw) +
                             " is not stated; seconds are assumed");
    }
    return;
  }
  std::string note = "repetition time of " + number(seconds) +
                     " s (pixdim[4] = " + number(header.tr_raw) + ", unit " + header.time_unit +
                     ") is not credible";
  for (const auto& [other, name] : {std::pair{1.0, "seconds"}, std::pair{1e-3, "milliseconds"},
                                    std::pair{1e-6, "microseconds"}}) {
    const double candidate = header.tr_raw * other;
    if (candidate >= 0.1 && candidate <= 20.0) {
      note += std::string("; ") + name + " would make " + number(candidate) + " s";
      break;
    }
  }
  header.notes.push_back(note);
}

} // namespace boldmill::image_io
