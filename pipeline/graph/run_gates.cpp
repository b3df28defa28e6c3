#include "pipeline/graph/run_gates.hpp"

#include <cmath>
#include <cstdio>

#include "stages/core/interpolate.hpp"
#include "stages/core/morphology.hpp"

namespace boldmill::graph {
namespace {

constexpr double kDropoutRim_mm = 4.0;       // the masks' own edge is no drop-out
constexpr std::size_t kCoverageStride = 101; // of the template's voxels, prime to its rows

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string whole(double value) { return std::to_string(static_cast<int>(std::lround(value))); }

} // namespace

double dropout_of(const Mask& t1w_mask, const Mask& bold_mask, const Affine& bold_to_t1w,
                  const Context& context) {
  const Mask carried = resample_mask(t1w_mask, bold_mask.grid, PointMap{{bold_to_t1w}}, context);
  const Mask inner = erode(carried, kDropoutRim_mm, context);
  std::size_t n = 0;
  std::size_t dark = 0;
  for (std::size_t v = 0; v < inner.data.size(); ++v) {
    if (inner.data[v] == 0) continue;
    ++n;
    dark += bold_mask.data[v] == 0 ? 1 : 0;
  }
  return n == 0 ? std::nan("") : static_cast<double>(dark) / static_cast<double>(n);
}

double template_coverage_of(const Mask& template_mask, const Grid& bold,
                            const PointMap& template_to_bold, const Context& context) {
  std::vector<std::size_t> voxels = indices_of(template_mask);
  std::size_t n = 0;
  for (std::size_t v = 0; v < voxels.size(); v += kCoverageStride) voxels[n++] = voxels[v];
  voxels.resize(n);
  const auto at = source_coordinates(bold, template_mask.grid, voxels, template_to_bold, context);
  std::size_t seen = 0;
  for (std::size_t v = 0; v < n; ++v) {
    const double* x = at.data() + 3 * v;
    seen += inside_image(bold.shape, x[0], x[1], x[2]) ? 1 : 0;
  }
  return n == 0 ? std::nan("") : static_cast<double>(seen) / static_cast<double>(n);
}

void note_doubts(std::int64_t n_nonfinite, const head_motion::Outputs& motion,
                 const coregistration::Outputs& coreg, const bold_mask::Outputs& mask,
                 const Anatomy& anatomy, RunResult& result) {
  auto& warnings = result.warnings;
  if (n_nonfinite > 0) {
    warnings.push_back(std::to_string(n_nonfinite) +
                       " voxel values are NaN or infinite, taken as 0");
  }
  if (motion.n_failed > 0) {
    warnings.push_back("head motion did not settle in " + std::to_string(motion.n_failed) +
                       " volumes");
  }
  if (coreg.doubtful) warnings.push_back("coregistration is doubtful: " + coreg.reason);
  if (mask.doubtful) warnings.emplace_back("the brain mask of the BOLD reference is doubtful");
  warnings.insert(warnings.end(), anatomy.warnings.begin(), anatomy.warnings.end());
}

void note_gaps(const Study& study, RunResult& result) {
  const config::GateParams& gates = study.config.gates;
  const auto warn = [&result](const std::string& text) { result.warnings.push_back(text); };
  if (result.tsnr < gates.warn_tsnr) {
    warn("temporal SNR is " + number(result.tsnr) + ", expected at least " +
         number(gates.warn_tsnr));
  }
  if (result.dropout > gates.warn_dropout) {
    warn(whole(100.0 * result.dropout) + " % of the brain in the field of view has no signal");
  }
  if (result.template_coverage < gates.warn_template_coverage) {
    warn(whole(100.0 * (1.0 - result.template_coverage)) +
         " % of the template's brain is outside the field of view");
  }
  if (result.fwhm_mm > gates.warn_fwhm_mm) {
    warn("the noise is smooth over " + number(result.fwhm_mm) +
         " mm: was the series smoothed before?");
  }
  if (result.coreg_displacement_mm > gates.warn_coreg_displacement_mm) {
    warn("the headers of BOLD and T1w disagree by " + whole(result.coreg_displacement_mm) + " mm");
  }
  const auto& sets = study.target.sets;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    if (sets[s].name != "circuits") continue;
    std::string low;
    for (std::size_t r = 0; r < sets[s].regions.size(); ++r) {
      if (!(result.coverage[s][r] >= study.config.extraction.min_coverage)) {
        low += " " + sets[s].regions[r].label;
      }
    }
    if (!low.empty()) warn("circuit regions without enough coverage:" + low);
  }
}

void check_alignment(const config::GateParams& gates, const std::string& run_id,
                     const RunResult& result) {
  if (result.coreg_dice < gates.min_coreg_dice) {
    throw Error(ErrorKind::gate, run_id + ": BOLD and T1w brain masks overlap with Dice " +
                                     number(result.coreg_dice) + ", expected at least " +
                                     number(gates.min_coreg_dice));
  }
  if (result.mirror_gain > gates.max_mirror_gain) {
    throw Error(ErrorKind::gate,
                run_id + ": left and right look exchanged against the T1w (similarity " +
                    number(result.mirror_gain) +
                    " higher when mirrored, expected at most gates.max_mirror_gain = " +
                    number(gates.max_mirror_gain) + ")");
  }
}

} // namespace boldmill::graph
