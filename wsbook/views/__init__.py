"""The only folder that imports pandas, plotly and widgets."""
