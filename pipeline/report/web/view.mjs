// The place of the viewer on a participant's page: loads NiiVue and the volumes when a person asks for them.
import {element} from "./tables.mjs";

function load(source) {
  return new Promise((done, failed) => {
    const script = element("script", {src: source});
    script.addEventListener("load", done);
    script.addEventListener("error", () => failed(new Error(`${source} is not beside this page`)));
    document.head.append(script);
  });
}

const choices = (volumes, none) => [...(none ? [element("option", {value: "", textContent: none})] : []),
  ...volumes.map((volume, i) => element("option", {value: String(i), textContent: volume.label}))];

async function start(box) {
  await load(box.dataset.viewer);
  await load(box.dataset.volumes);
  if (globalThis.boldmillTemplateFile) await load(globalThis.boldmillTemplateFile); // the same for every page
  const volumes = [...globalThis.boldmillVolumes, ...(globalThis.boldmillTemplate ?? [])];
  const canvas = element("canvas", {width: 900, height: 600, tabIndex: 0});
  canvas.setAttribute("aria-label", "Slices through the brain; arrow keys and page keys move the crosshair");
  canvas.setAttribute("role", "img");
  const said = element("p", {role: "status"});
  const below = element("select", {}, ...choices(volumes.filter((one) => !one.regions)));
  const above = element("select", {}, ...choices(volumes, "nothing"));
  const opacity = element("input", {type: "range", min: "0", max: "1", step: "0.1", value: "0.5"});
  box.replaceChildren(element("div", {className: "tools"}, element("label", {}, "Image", below), element("label", {}, "On top", above),
    element("label", {}, "How much of it", opacity)), element("div", {className: "canvas"}, canvas), said);
  const viewer = await globalThis.boldmillViewer.open(canvas, (text) => { said.textContent = text; });
  const grey = volumes.filter((one) => !one.regions);
  const show = () => viewer.show(grey[Number(below.value)], above.value === "" ? null : volumes[Number(above.value)], Number(opacity.value));
  below.addEventListener("change", show);
  above.addEventListener("change", show);
  opacity.addEventListener("input", () => viewer.opacity(Number(opacity.value)));
  const first = volumes.findIndex((one) => one.regions);
  if (first >= 0) above.value = String(first);
  await show();
  box.dataset.open = "1";
}

export function view() {
  for (const box of document.querySelectorAll(".viewer[data-viewer]")) {
    const button = element("button", {type: "button", className: "button", textContent: "Open the viewer"});
    const said = element("p", {role: "status"});
    button.addEventListener("click", async () => {
      button.disabled = true;
      said.textContent = "Loading.";
      try {
        await start(box);
      } catch (error) {
        said.textContent = `The viewer cannot be shown: ${error.message}.`;
        button.disabled = false;
        if (!box.contains(said)) box.replaceChildren(button, said);
      }
    });
    box.replaceChildren(button, said);
  }
}
