// The app's own parts on a page without a server. What they would tell Python is answered from what was recorded.

const holder = document.querySelector("[data-inside]");

async function mounted() {
  const content = JSON.parse(await unpacked("content"));
  if (holder.dataset.inside === "sharing") {
    new Sharing(holder).update({ data: { sharing: content, chosen: 0 }, setTriggerValue() {} });
    return;
  }
  const part = new Walk(holder);
  const show = (unit, line) => part.update({
    data: { walk: content.walks[unit], line, opened: line },
    setStateValue() {},
    setTriggerValue: (name, chosen) => show(String(chosen), part.line),
  });
  show(content.unit, content.line);
}

mounted();
