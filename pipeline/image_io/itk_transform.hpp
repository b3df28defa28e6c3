// Transforms in ITK's files, as ANTs, nitransforms, Slicer and fMRIPrep read and write them: text
// (.txt, .tfm: linear), HDF5 (.h5: composites with displacement fields) and displacement fields in
// NIfTI (five dimensions, intent 1007). Files hold LPS, here everything is RAS millimetres.
//
// A file named from-A_to-B_mode-image maps points of B into A, for it resamples images of A onto
// grids of B. That is the map `b_to_a` of this project, and it is what these functions take and
// give.
//
// Outside a displacement field ITK leaves points where they are, a PointMap moves them as the
// field's nearest point.
//
// Errors: ErrorKind::input when a file is missing, corrupt, absurd in size, or holds a kind of
// transform that is not read here (named in the message); ErrorKind::disk when a write fails;
// ErrorKind::internal when asked to write a singular matrix.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "stages/core/transform.hpp"

namespace boldmill::image_io {

// The point map of a file. Read are affine, matrix-offset, Euler, translation and identity
// transforms, displacement fields, and composites of them. Text files with several transforms that
// are not a composite belong to read_affine_xfms.
[[nodiscard]] PointMap read_xfm(const std::filesystem::path& path);

// Every linear transform of a text file, e.g. one per volume in from-orig_to-boldref.
[[nodiscard]] std::vector<Affine> read_affine_xfms(const std::filesystem::path& path);

// Text, one AffineTransform_double_3_3 per map, numbers at full precision.
void write_affine_xfms(const std::filesystem::path& path, std::span<const Affine> maps);
inline void write_affine_xfm(const std::filesystem::path& path, const Affine& map) {
  write_affine_xfms(path, std::span(&map, 1));
}

// HDF5, a CompositeTransform_float_3_3 of the steps; fields in deflated chunks.
void write_composite_xfm(const std::filesystem::path& path, const PointMap& map);

} // namespace boldmill::image_io
