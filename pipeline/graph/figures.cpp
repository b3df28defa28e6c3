#include "pipeline/graph/figures.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/cache/archive.hpp"
#include "pipeline/graph/derived_run.hpp"
#include "pipeline/graph/viewer_volumes.hpp"
#include "stages/core/morphology.hpp"
#include "stages/core/outcome.hpp"
#include "stages/figures/mosaic.hpp"

namespace boldmill::store {

static void archive(cache::Archive& a, FigureFrame& f) {
  a(f.name, f.units, f.low, f.high, f.pixels);
}
static void archive(cache::Archive& a, FigureLayer& l) { a(l.name, l.pixels); }
static void archive(cache::Archive& a, FigureTile& t) {
  a(t.plane, t.position_mm, t.left, t.top, t.width, t.height);
}
static void archive(cache::Archive& a, VolumeRecord& v) {
  a(v.name, v.space, v.shape, v.affine, v.grey, v.region);
}
static void archive(cache::Archive& a, FigureRecord& f) {
  a(f.name, f.space, f.width, f.height, f.pixel_mm, f.frames, f.layers, f.tiles);
}

} // namespace boldmill::store

namespace boldmill::graph {
namespace {

constexpr int kVersion = 2;
// Small enough for a shard: T1w pictures are the largest, and a run's voxels are coarse.
constexpr double kT1wPixelMm = 1.25;
constexpr double kPixelMm = 1.5;
constexpr double kBoldPixelMm = 2.0;

mosaic::Params params_with(double pixel_mm) {
  mosaic::Params params;
  params.pixel_mm = pixel_mm;
  return params;
}

const char* name_of(mosaic::Plane plane) {
  switch (plane) {
  case mosaic::Plane::axial: return "axial";
  case mosaic::Plane::coronal: return "coronal";
  case mosaic::Plane::sagittal: break;
  }
  return "sagittal";
}

// One picture in the making: slices through the box of `box`.
class FigureMaker {
public:
  FigureMaker(std::string name, std::string space, const Mask& box, double pixel_mm,
              const Context& context)
      : params_(params_with(pixel_mm)), layout_(mosaic::layout_of(box, params_)),
        context_(context) {
    record_.name = std::move(name);
    record_.space = std::move(space);
    record_.width = layout_.width;
    record_.height = layout_.height;
    record_.pixel_mm = pixel_mm;
    for (const mosaic::Tile& tile : layout_.tiles) {
      record_.tiles.push_back({name_of(tile.plane), tile.position_mm, tile.left, tile.top,
                               tile.grid.shape[0], tile.grid.shape[1]});
    }
  }

  FigureMaker& frame(const std::string& name, const mosaic::Source& source,
                     const PointMap& tile_to_image, const std::string& units = "") {
    auto made = mosaic::picture_of(source, layout_, tile_to_image, params_, context_);
    record_.frames.push_back({name, units, made.low, made.high, std::move(made.pixels)});
    return *this;
  }

  FigureMaker& outline(const std::string& name, const Mask& mask, const PointMap& tile_to_mask) {
    return outline(name,
                   mosaic::half_or_more(mosaic::membership(mask, layout_, tile_to_mask, context_)));
  }

  FigureMaker& outline(const std::string& name, const mosaic::Pixels& inside) {
    record_.layers.push_back({name, mosaic::contours(inside, layout_)});
    return *this;
  }

  // Outer and inner border of the cortex, from probabilities on one grid.
  FigureMaker& cortex(const Mask& brain, const Volume& csf, const Volume& white,
                      const PointMap& tile_to_t1w) {
    auto outside = mosaic::sampled(csf, layout_, tile_to_t1w, context_);
    const auto in_brain = mosaic::membership(brain, layout_, tile_to_t1w, context_);
    std::transform(in_brain.begin(), in_brain.end(), outside.begin(), outside.begin(),
                   [](float share, float fluid) { return share - fluid; });
    outline("pial", mosaic::half_or_more(outside));
    return outline("white_matter",
                   mosaic::half_or_more(mosaic::sampled(white, layout_, tile_to_t1w, context_)));
  }

  store::FigureRecord take() { return std::move(record_); }

private:
  mosaic::Params params_;
  mosaic::Layout layout_;
  const Context& context_;
  store::FigureRecord record_;
};

Volume tsnr_of(const VoxelMoments& moments) {
  Volume tsnr(moments.mean.grid, 0.0F);
  for (std::size_t v = 0; v < tsnr.data.size(); ++v) {
    const float sd = moments.sd.data[v];
    if (sd > 0.0F) tsnr.data[v] = moments.mean.data[v] / sd;
  }
  return tsnr;
}

void add_signal(FigureMaker& maker, const VoxelMoments& moments, const Mask& mask) {
  const Volume tsnr = tsnr_of(moments);
  maker.frame("mean", {&moments.mean, &mask, nullptr}, {})
      .frame("tsnr", {&tsnr, &mask, nullptr}, {}, "1")
      .outline("brain_mask", mask, {});
}

Mask union_of(const Mask& a, const Mask& b) {
  Mask both = a;
  for (std::size_t v = 0; v < both.data.size(); ++v) both.data[v] |= b.data[v];
  return both;
}

store::FigureRecord distortion_figure(const RunPictures& run, const Context& context) {
  const Mask box = union_of(run.mask, *run.distorted_mask);
  const Mask shown = dilate(box, kBoldRimMm, context);
  FigureMaker maker("distortion", "boldref", box, kBoldPixelMm, context);
  maker.frame("before", {run.distorted, &shown, &box}, {})
      .frame("after", {&run.boldref, &shown, &box}, {})
      .cortex(run.anatomy.fit.mask, run.anatomy.noise.csf, run.anatomy.white_matter,
              PointMap{{run.bold_to_t1w}});
  return maker.take();
}

} // namespace

void archive(cache::Archive& a, Figures& figures) { a(figures.all, figures.volumes); }

std::string figures_key(const std::string& of) {
  return cache::node_key(mosaic::kStage, std::to_string(kVersion), {of});
}

store::StageRecord figures_stage(const std::string& key) {
  return {std::string(mosaic::kStage.name), mosaic::kStage.version, key};
}

bool figures_are_kept(const Study& study, const std::string& of) {
  return !study.config.report.figures || study.cache.has(figures_key(of));
}

Figures figures_of_anatomy(const TargetSpace& target, const AnatomyFit& fit, const Volume& t1w,
                           const tissue::Outputs* tissues, const Context& context) {
  Figures out;
  FigureMaker head("t1w", "T1w", fit.mask, kT1wPixelMm, context);
  head.frame("t1w", {&t1w, &fit.mask, nullptr}, {}).outline("brain_mask", fit.mask, {});
  if (tissues != nullptr) head.cortex(fit.mask, tissues->csf, tissues->wm, {});
  out.all.push_back(head.take());

  FigureMaker normal("normalization", target.space, target.mask, kPixelMm, context);
  const PointMap& to_t1w = fit.normalization.template_to_moving;
  normal.frame("t1w", {&t1w, &fit.mask, nullptr}, to_t1w)
      .frame("template", {&target.brain, &target.mask, nullptr}, {})
      .outline("template_brain", target.mask, {});
  if (tissues != nullptr) normal.cortex(fit.mask, tissues->csf, tissues->wm, to_t1w);
  out.all.push_back(normal.take());
  out.volumes.push_back(grey_volume("t1w", t1w, fit.mask, target, to_t1w, context));
  return out;
}

Figures figures_of_run(const RunPictures& run, const Context& context) {
  Figures out;
  const Mask shown = dilate(run.mask, kBoldRimMm, context);
  const mosaic::Source boldref{&run.boldref, &shown, &run.mask};
  const AnatomyFit& fit = run.anatomy.fit;

  FigureMaker aligned("coregistration", "T1w", fit.mask, kPixelMm, context);
  aligned.frame("boldref", boldref, PointMap{{Affine(run.bold_to_t1w.inverse())}})
      .frame("t1w", {&run.anatomy.t1w, &fit.mask, nullptr}, {})
      .cortex(fit.mask, run.anatomy.noise.csf, run.anatomy.white_matter, {});
  out.all.push_back(aligned.take());

  if (run.distorted != nullptr) out.all.push_back(distortion_figure(run, context));

  FigureMaker masks("masks", "boldref", run.mask, kBoldPixelMm, context);
  masks.frame("boldref", boldref, {})
      .outline("brain_mask", run.mask, {})
      .outline("noise_csf", run.native.noise_csf, {})
      .outline("noise_white_matter", run.native.noise_white, {});
  out.all.push_back(masks.take());

  FigureMaker signal("signal", "boldref", run.mask, kBoldPixelMm, context);
  add_signal(signal, run.moments, run.mask);
  out.all.push_back(signal.take());
  PointMap target_to_bold = fit.normalization.template_to_moving;
  target_to_bold.then(Affine(run.bold_to_t1w.inverse()));
  out.volumes.push_back(
      grey_volume("bold", run.moments.mean, run.mask, run.target, target_to_bold, context));
  return out;
}

Figures figures_of_derived(const TargetSpace& target, const VoxelMoments& moments, const Mask& mask,
                           const Context& context) {
  FigureMaker signal("signal", target.space, mask, kBoldPixelMm, context);
  add_signal(signal, moments, mask);
  signal.outline("template_brain", target.mask, {});
  Figures out;
  out.all.push_back(signal.take());
  out.volumes.push_back(grey_volume("bold", moments.mean, mask, target, {}, context));
  return out;
}

store::ShardFigures kept_figures(const Study& study, const bids::ParticipantSession& session,
                                 const Context& context) {
  store::ShardFigures kept;
  if (!study.config.report.figures) return kept;
  const auto add = [&](const std::string& owner, auto&& key_of) {
    const auto key = capture(key_of);
    if (!std::holds_alternative<std::string>(key)) return; // its files cannot be read
    const auto bytes = study.cache.load(std::get<std::string>(key));
    if (!bytes) return; // failed before there was anything to see
    Figures figures;
    cache::Archive reader(*bytes);
    reader(figures);
    kept.pictures[owner] = std::move(figures.all);
    if (!figures.volumes.empty()) kept.volumes[owner] = std::move(figures.volumes);
  };
  if (anatomy_is_needed(study, session)) {
    add(store::kAnatomyFigures,
        [&] { return figures_key(tissue_key(study, anatomy_key(study, session))); });
  }
  for (const bids::BoldRun& run : session.runs) {
    add(run.run_id, [&] {
      const DerivedSource* source = derived_source(study, run);
      return figures_key(source != nullptr ? derived_run_key(study, *source)
                                           : run_key(study, session, run));
    });
  }
  if (!kept.volumes.empty()) {
    kept.volumes[store::kTemplateFigures] = template_volumes(study.target, context);
  }
  return kept;
}

} // namespace boldmill::graph
