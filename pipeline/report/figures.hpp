// The pictures of a shard as HTML that needs nothing else: inline images, styles, no script. Two
// frames change places while the pointer or the keyboard is on them, and by a checkbox; contours
// can be hidden; on paper the frames stand one below the other.
#pragma once

#include <string>

#include "pipeline/store/figures.hpp"

namespace boldmill::report {

// A <figure>; `id` tells it apart from others on the page. Needs figures_style() once on the page.
[[nodiscard]] std::string figure_html(const store::FigureRecord& figure, const std::string& id);
// Before and after denoising, voxels in rows: grey matter, white matter, csf, other; 2 SD from
// black to grey and from grey to white. "" for an empty carpet.
[[nodiscard]] std::string carpet_html(const store::Carpet& carpet, const std::string& id);
[[nodiscard]] std::string figures_style(); // a <style> element

// Style and all pictures of an owner, the carpet too: a run_id, or store::kAnatomyFigures. "" when
// the shard has none. Errors: input when the shard cannot be read.
[[nodiscard]] std::string figures_html(const store::ShardPictures& pictures,
                                       const std::string& owner);

} // namespace boldmill::report
