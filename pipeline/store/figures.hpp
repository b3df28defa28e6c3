// The pictures of a shard: what a person should look at before believing a number. Small slices as
// bytes, made while the images were in memory, for images are not kept. They stay in the shard
// (/figures/<owner>/<name>) and are not merged into a cohort file.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/store/records.hpp"

namespace boldmill::store {

class File;

// Pictures that can be laid over each other. All have height x width bytes, row by row from the
// top.
struct FigureFrame {
  std::string name;                 // "t1w", "template", "before", ...
  std::string units;                // of low and high, "" when arbitrary
  double low = 0.0, high = 0.0;     // values of the bytes 3 and 255
  std::vector<std::uint8_t> pixels; // 0 is outside of what is shown
};
// Contours drawn on top.
struct FigureLayer {
  std::string name;                 // "brain_mask", "white_matter", ...
  std::vector<std::uint8_t> pixels; // 0 or 1
};
// One slice. Left of the picture is the person's left; a sagittal slice has the front on the right.
struct FigureTile {
  std::string plane;                            // "axial", "coronal", "sagittal"
  double position_mm = 0.0;                     // z, y or x
  int left = 0, top = 0, width = 0, height = 0; // pixels
};
struct FigureRecord {
  std::string name;  // "t1w", "normalization", "coregistration", "distortion", "masks", "signal"
  std::string space; // of the slices: "T1w", "boldref", or that of the template
  int width = 0, height = 0;
  double pixel_mm = 0.0;
  std::vector<FigureFrame> frames; // at least one
  std::vector<FigureLayer> layers;
  std::vector<FigureTile> tiles;
};

// A small volume for the viewer of a page, in the space of the template. Either grey values (0 is
// outside of what is shown) or numbers of regions of an atlas from 1 (0 none), i fastest.
struct VolumeRecord {
  std::string name; // "template", "t1w", "bold", or that of the atlas
  std::string space;
  std::array<int, 3> shape{0, 0, 0};
  Eigen::Matrix4d affine = Eigen::Matrix4d::Identity(); // voxel to RAS mm
  std::vector<std::uint8_t> grey;
  std::vector<std::int32_t> region;
};

inline constexpr const char* kAnatomyFigures = "anat";      // the owner of those of the T1w
inline constexpr const char* kTemplateFigures = "template"; // of template and regions
struct ShardFigures {                                       // by run_id, or one of these
  std::map<std::string, std::vector<FigureRecord>> pictures;
  std::map<std::string, std::vector<VolumeRecord>> volumes;
};

// As write_shard of shard.hpp, with pictures. Errors: internal too when a size disagrees.
void write_shard(const std::filesystem::path& path, const CohortHeader& header,
                 const PersonRecord& person, const ShardFigures& figures);

// What a shard holds beside its rows, opened once. Errors: input. Several threads may ask at once.
class ShardPictures {
public:
  explicit ShardPictures(const std::filesystem::path& shard);
  ~ShardPictures();
  ShardPictures(const ShardPictures&) = delete;
  ShardPictures& operator=(const ShardPictures&) = delete;

  // Those of one owner in the order they were written; none in a file without them.
  [[nodiscard]] std::vector<FigureRecord> figures(const std::string& owner) const;
  // /volumes/<owner>/<name>, in the order they were written; none in a file without them.
  [[nodiscard]] std::vector<VolumeRecord> volumes(const std::string& owner) const;
  [[nodiscard]] bool has_volumes(const std::string& owner) const;
  // The regressors of a run's task; nothing when there are none.
  [[nodiscard]] TaskDesign design(const std::string& run_id) const;
  // The carpet of a run as a shard keeps it, see records.hpp; nothing when there is none.
  [[nodiscard]] Carpet carpet(const std::string& run_id) const;

private:
  std::unique_ptr<File> file_;
};

} // namespace boldmill::store
