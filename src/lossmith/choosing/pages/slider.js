for (const box of document.querySelectorAll(".slider")) {
  const says = JSON.parse(box.dataset.says), input = box.querySelector("input"), output = box.querySelector("output");
  const layers = box.closest("figure").querySelectorAll(".layer");
  input.addEventListener("input", () => {
    for (const layer of layers) layer.toggleAttribute("hidden", layer.dataset.step !== input.value);
    output.textContent = says[Number(input.value)];
  });
  box.hidden = false;
}
addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details")) part.open = true; });
