#include "pipeline/store/figures.hpp"

#include <algorithm>

#include "pipeline/store/figures_layout.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::store {
namespace {

std::size_t n_pixels(const FigureRecord& figure) {
  return static_cast<std::size_t>(figure.width) * static_cast<std::size_t>(figure.height);
}

// Frames or layers one after the other.
template <class Parts>
std::vector<std::uint8_t> stacked(const FigureRecord& figure, const Parts& parts) {
  std::vector<std::uint8_t> all;
  for (const auto& part : parts) {
    if (part.pixels.size() != n_pixels(figure)) {
      throw Error(ErrorKind::internal, "figure " + figure.name + ", " + part.name + ": found " +
                                           std::to_string(part.pixels.size()) +
                                           " bytes, expected " + std::to_string(n_pixels(figure)));
    }
    all.insert(all.end(), part.pixels.begin(), part.pixels.end());
  }
  return all;
}

template <class Parts, class Get>
auto column(const Parts& parts, Get get) {
  std::vector<std::decay_t<decltype(get(parts.front()))>> values;
  for (const auto& part : parts) values.push_back(get(part));
  return values;
}

void write_tiles(const Group& group, const FigureRecord& figure) {
  const auto& tiles = figure.tiles;
  const Dimension tile = group.dimension("tile", tiles.size());
  const auto pixels = [&](const char* name, int FigureTile::*member, const char* meaning) {
    group.write(
        name, {tile},
        Values(column(tiles, [&](const FigureTile& t) -> std::int32_t { return t.*member; })),
        {{"long_name", meaning}});
  };
  group.write("plane", {tile}, column(tiles, [](const FigureTile& t) { return t.plane; }));
  group.write("position", {tile},
              Values(column(tiles, [](const FigureTile& t) { return t.position_mm; })),
              {{"units", "mm"}, {"long_name", "z, y or x of the slice"}});
  pixels("tile_left", &FigureTile::left, "first column of the slice");
  pixels("tile_top", &FigureTile::top, "first line of the slice");
  pixels("tile_width", &FigureTile::width, "columns of the slice");
  pixels("tile_height", &FigureTile::height, "lines of the slice");
}

void write_figure(const Group& owner, const FigureRecord& figure) {
  const Group group = owner.create(figure.name);
  group.attribute("space", figure.space);
  group.attribute("pixel_mm", figure.pixel_mm);
  group.attribute("orientation", "left of the picture is the person's left; the front is up in an "
                                 "axial slice and on the right in a sagittal one");
  const Dimension y = group.dimension("y", static_cast<std::size_t>(figure.height));
  const Dimension x = group.dimension("x", static_cast<std::size_t>(figure.width));
  const auto& frames = figure.frames;
  const Dimension frame =
      group.dimension("frame", column(frames, [](const FigureFrame& f) { return f.name; }));
  group.write("low", {frame}, Values(column(frames, [](const FigureFrame& f) { return f.low; })),
              {{"long_name", "value of byte 3"}});
  group.write("high", {frame}, Values(column(frames, [](const FigureFrame& f) { return f.high; })),
              {{"long_name", "value of byte 255"}});
  group.write("units", {frame}, column(frames, [](const FigureFrame& f) { return f.units; }));
  group.write("frames", {frame, y, x}, Values(stacked(figure, frames)),
              {{"long_name", "grey values, 0 is outside of what is shown"}});
  if (!figure.layers.empty()) {
    const Dimension layer = group.dimension(
        "layer", column(figure.layers, [](const FigureLayer& l) { return l.name; }));
    group.write("layers", {layer, y, x}, Values(stacked(figure, figure.layers)),
                {{"long_name", "contours, 0 or 1"}});
  }
  write_tiles(group, figure);
}

std::vector<std::uint8_t> part_of(const std::vector<std::uint8_t>& all, std::size_t n,
                                  std::size_t part) {
  const auto begin = all.begin() + static_cast<std::ptrdiff_t>(n * part);
  return {begin, begin + static_cast<std::ptrdiff_t>(n)};
}

// [part, y, x] with as many parts as names; every length that indexes is checked.
std::vector<std::uint8_t> read_stack(const File& file, const std::string& path, std::size_t parts,
                                     FigureRecord& figure) {
  const std::vector<hsize_t> shape = shape_of(file, path);
  constexpr hsize_t kLargest = 1 << 15;
  if (shape.size() != 3 || shape[0] != parts || shape[1] > kLargest || shape[2] > kLargest) {
    file.fail(path, "unexpected shape, expected parts x lines x columns");
  }
  figure.height = static_cast<int>(shape[1]);
  figure.width = static_cast<int>(shape[2]);
  return read_uint8(file, path);
}

template <class T>
void expect_length(const File& file, const std::string& path, const std::vector<T>& values,
                   std::size_t expected) {
  if (values.size() != expected) {
    file.fail(path, "found " + std::to_string(values.size()) + " values, expected " +
                        std::to_string(expected));
  }
}

void read_tiles(const File& file, const std::string& path, FigureRecord& figure) {
  const auto plane = read_strings(file, path + "/plane");
  const auto position = read_doubles(file, path + "/position");
  expect_length(file, path + "/position", position, plane.size());
  figure.tiles.resize(plane.size());
  for (std::size_t t = 0; t < plane.size(); ++t) {
    figure.tiles[t].plane = plane[t];
    figure.tiles[t].position_mm = position[t];
  }
  const auto pixels = [&](const char* name, int FigureTile::*member) {
    const auto values = read_int32(file, path + name);
    expect_length(file, path + name, values, plane.size());
    for (std::size_t t = 0; t < values.size(); ++t) figure.tiles[t].*member = values[t];
  };
  pixels("/tile_left", &FigureTile::left);
  pixels("/tile_top", &FigureTile::top);
  pixels("/tile_width", &FigureTile::width);
  pixels("/tile_height", &FigureTile::height);
}

FigureRecord read_figure(const File& file, const std::string& path) {
  FigureRecord figure;
  figure.name = original_name(file, path);
  figure.space = text_attribute(file, path, "space");
  figure.pixel_mm = number_attribute(file, path, "pixel_mm");
  const auto names = read_strings(file, path + "/frame");
  const auto low = read_doubles(file, path + "/low");
  const auto high = read_doubles(file, path + "/high");
  const auto units = read_strings(file, path + "/units");
  expect_length(file, path + "/low", low, names.size());
  expect_length(file, path + "/high", high, names.size());
  expect_length(file, path + "/units", units, names.size());
  const auto pixels = read_stack(file, path + "/frames", names.size(), figure);
  for (std::size_t f = 0; f < names.size(); ++f) {
    figure.frames.push_back(
        {names[f], units[f], low[f], high[f], part_of(pixels, n_pixels(figure), f)});
  }
  if (exists(file, path + "/layers")) {
    const auto layers = read_strings(file, path + "/layer");
    FigureRecord size;
    const auto marks = read_stack(file, path + "/layers", layers.size(), size);
    if (size.width != figure.width || size.height != figure.height) {
      file.fail(path + "/layers", "unexpected shape, expected that of frames");
    }
    for (std::size_t l = 0; l < layers.size(); ++l) {
      figure.layers.push_back({layers[l], part_of(marks, n_pixels(figure), l)});
    }
  }
  read_tiles(file, path, figure);
  return figure;
}

void write_volume(const Group& owner, const VolumeRecord& volume) {
  const auto [nx, ny, nz] = volume.shape;
  const std::size_t n =
      static_cast<std::size_t>(nx) * static_cast<std::size_t>(ny) * static_cast<std::size_t>(nz);
  const bool is_grey = volume.region.empty();
  const std::size_t found = is_grey ? volume.grey.size() : volume.region.size();
  if (found != n) {
    throw Error(ErrorKind::internal, "volume " + volume.name + ": found " + std::to_string(found) +
                                         " voxels, expected " + std::to_string(n));
  }
  const Group group = owner.create(volume.name);
  group.attribute("space", volume.space);
  const Dimension z = group.dimension("z", static_cast<std::size_t>(nz));
  const Dimension y = group.dimension("y", static_cast<std::size_t>(ny));
  const Dimension x = group.dimension("x", static_cast<std::size_t>(nx));
  const Dimension row = group.dimension("affine_row", 4);
  const Dimension column = group.dimension("affine_column", 4);
  group.write("affine", {row, column}, Eigen::MatrixXd(volume.affine),
              {{"long_name", "(x, y, z, 1) to RAS mm"}});
  if (is_grey) {
    group.write("grey", {z, y, x}, Values(volume.grey),
                {{"long_name", "grey values, 0 is outside of what is shown"}});
  } else {
    group.write("region", {z, y, x}, Values(volume.region),
                {{"long_name", "number of the region in its atlas, from 1; 0 none"}});
  }
}

VolumeRecord read_volume(const File& file, const std::string& path) {
  VolumeRecord volume;
  volume.name = original_name(file, path);
  volume.space = text_attribute(file, path, "space");
  const bool is_grey = exists(file, path + "/grey");
  const std::string voxels = path + (is_grey ? "/grey" : "/region");
  const std::vector<hsize_t> shape = shape_of(file, voxels);
  constexpr hsize_t kLargest = 1 << 10;
  if (shape.size() != 3 || *std::max_element(shape.begin(), shape.end()) > kLargest) {
    file.fail(voxels, "unexpected shape, expected z, y, x");
  }
  for (std::size_t a = 0; a < 3; ++a) volume.shape[a] = static_cast<int>(shape[2 - a]);
  const Eigen::MatrixXd affine = read_matrix(file, path + "/affine");
  if (affine.rows() != 4 || affine.cols() != 4) {
    file.fail(path + "/affine", "unexpected shape, expected 4 x 4");
  }
  volume.affine = affine;
  if (is_grey) {
    volume.grey = read_uint8(file, voxels);
  } else {
    volume.region = read_int32(file, voxels);
  }
  return volume;
}

std::vector<std::int8_t> read_signed(const File& file, const std::string& path) {
  const std::vector<std::int32_t> wide = read_int32(file, path);
  std::vector<std::int8_t> bytes(wide.size());
  std::transform(wide.begin(), wide.end(), bytes.begin(),
                 [](std::int32_t value) { return static_cast<std::int8_t>(value); });
  return bytes;
}

} // namespace

void write_figures(const Group& root, const ShardFigures& figures) {
  for (const auto& [owner, all] : figures.pictures) {
    if (all.empty()) continue;
    const Group group = root.open_or_create("figures").create(owner);
    for (const FigureRecord& figure : all) write_figure(group, figure);
  }
  for (const auto& [owner, all] : figures.volumes) {
    if (all.empty()) continue;
    const Group group = root.open_or_create("volumes").create(owner);
    for (const VolumeRecord& volume : all) write_volume(group, volume);
  }
}

ShardPictures::ShardPictures(const std::filesystem::path& shard) {
  const Hdf5Lock lock;
  file_ = std::make_unique<File>(shard, File::Mode::read);
}

ShardPictures::~ShardPictures() {
  const Hdf5Lock lock;
  file_.reset();
}

std::vector<VolumeRecord> ShardPictures::volumes(const std::string& owner) const {
  const Hdf5Lock lock;
  const File& file = *file_;
  std::vector<VolumeRecord> found;
  const std::string path = "/volumes/" + safe_name(owner);
  if (!exists(file, path)) return found;
  for (const std::string& name : subgroups(file, path)) {
    found.push_back(read_volume(file, path + "/" + name));
  }
  return found;
}

bool ShardPictures::has_volumes(const std::string& owner) const {
  const Hdf5Lock lock;
  const std::string path = "/volumes/" + safe_name(owner);
  return exists(*file_, path) && !subgroups(*file_, path).empty();
}

TaskDesign ShardPictures::design(const std::string& run_id) const {
  const Hdf5Lock lock;
  const File& file = *file_;
  TaskDesign found;
  const std::string path = "/design/" + safe_name(run_id);
  if (!exists(file, path)) return found;
  found.name = read_strings(file, path + "/regressor");
  found.values = read_float_matrix(file, path + "/values");
  if (static_cast<std::size_t>(found.values.cols()) != found.name.size()) {
    file.fail(path + "/values", "unexpected shape, expected a column per regressor");
  }
  return found;
}

std::vector<FigureRecord> ShardPictures::figures(const std::string& owner) const {
  const Hdf5Lock lock;
  const File& file = *file_;
  std::vector<FigureRecord> found;
  const std::string path = "/figures/" + safe_name(owner);
  if (!exists(file, path)) return found;
  for (const std::string& name : subgroups(file, path)) {
    found.push_back(read_figure(file, path + "/" + name));
  }
  return found;
}

Carpet ShardPictures::carpet(const std::string& run_id) const {
  const Hdf5Lock lock;
  const File& file = *file_;
  Carpet found;
  const std::string path = "/carpet/" + safe_name(run_id);
  if (!exists(file, path)) return found;
  found.tissue = read_int32(file, path + "/tissue");
  const auto read = [&](const std::string& name, std::vector<std::int8_t>& bytes, int& volumes) {
    if (!exists(file, path + name)) return;
    bytes = read_signed(file, path + name);
    if (found.tissue.empty() || bytes.size() % found.tissue.size() != 0) {
      file.fail(path + name, "found bytes beyond whole rows, expected a row per voxel");
    }
    volumes = whole_attribute(file, path + name, "volumes_per_column");
  };
  read("/before", found.before, found.volumes_per_column);
  read("/after", found.after, found.volumes_per_column_after);
  return found;
}

} // namespace boldmill::store
