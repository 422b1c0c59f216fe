// A picker of colours beside the field for a colour in words. The field is what is saved.

const field = document.querySelector("#id_colour");
const picker = document.querySelector("#colour-picker");

const show = () => /^#[0-9a-f]{6}$/i.test(field.value) && (picker.value = field.value);

show();
field.after(picker);
picker.hidden = false;
field.addEventListener("input", show);
picker.addEventListener("input", () => (field.value = picker.value));
