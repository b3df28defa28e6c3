// The viewer of a participant's page, by NiiVue: a file of its own that pages load when a person asks for it.
import {Niivue, NVImage} from "@niivue/niivue";

// As many colours as regions, neighbours far apart; region 0 is clear.
function labelColours(n) {
  const map = {R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""]};
  for (let i = 1; i <= n; ++i) {
    const hue = ((i * 0.6180339887) % 1) * 6;
    const [x, f] = [Math.floor(hue), hue - Math.floor(hue)];
    const rgb = [[1, f, 0], [1 - f, 1, 0], [0, 1, f], [0, 1 - f, 1], [f, 0, 1], [1, 0, 1 - f]][x % 6];
    for (const [k, name] of ["R", "G", "B"].entries()) map[name].push(Math.round(55 + 200 * rgb[k]));
    map.A.push(255);
    map.I.push(i);
    map.labels.push("");
  }
  return map;
}

async function image(volume, opacity) {
  const made = await NVImage.loadFromBase64({base64: volume.data, name: `${volume.name}.nii.gz`, colormap: "gray", opacity});
  if (volume.regions) {
    made.setColormapLabel(labelColours(volume.regions.length));
  } else {
    made.cal_min = 0;
    made.cal_max = 255;
  }
  return made;
}

// Shows one volume, and another on top when there is one. Gives back what changes it.
async function open(canvas, said) {
  const viewer = new Niivue({
    backColor: [0, 0, 0, 1], crosshairWidth: 0.2, crosshairColor: [0.9, 0.62, 0, 1], dragAndDropEnabled: false, isColorbar: false, isOrientCube: false, logLevel: "error",
    loadingText: "", multiplanarShowRender: 0, show3Dcrosshair: false, isRadiologicalConvention: false,
  });
  await viewer.attachToCanvas(canvas);
  viewer.setSliceType(viewer.sliceTypeMultiplanar);
  let shown = [];
  viewer.onLocationChange = (place) => {
    const at = [...place.mm].slice(0, 3).map((v) => v.toFixed(0)).join(", ");
    const values = place.values.map((value, i) => {
      const volume = shown[i];
      if (!volume) return "";
      if (!volume.regions) return `${volume.label} ${value.value.toFixed(0)}`;
      return value.value > 0 ? volume.regions[Math.round(value.value) - 1] ?? "" : "no region";
    });
    said(`${at} mm: ${values.filter(Boolean).join("; ")}`);
  };
  return {
    async show(below, above, opacity) {
      for (const old of [...viewer.volumes]) viewer.removeVolume(old);
      shown = above ? [below, above] : [below];
      viewer.addVolume(await image(below, 1));
      if (above) viewer.addVolume(await image(above, opacity));
      viewer.updateGLVolume();
      said("Click a slice to move the crosshair; the slices follow.");
    },
    opacity(value) {
      if (viewer.volumes.length > 1) viewer.setOpacity(1, value);
    },
  };
}

globalThis.boldmillViewer = {open};
